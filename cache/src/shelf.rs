//! Entries of one worker, and the order in which they are given up: the oldest first, and those later that were used since it was last asked (the
//! algorithm called CLOCK, or "second chance").

use std::collections::{HashMap, VecDeque};

use crate::key::{Key, Name};

/// Responses that one key may have. One more takes the place of the oldest.
pub const MAX_VARIANTS: usize = 64;

/// Entries that may be passed over for one that is given up.
const MAX_CHANCES: usize = 64;

/// An entry that is on the shelf no more.
#[derive(Debug, PartialEq, Eq)]
pub struct Removed<T> {
    /// What it was called.
    pub name: Name,
    /// How long it said that it is.
    pub bytes: u64,
    /// What it was.
    pub value: T,
}

/// An entry.
#[derive(Debug)]
struct Slot<T> {
    variant: u64,
    number: u64,
    bytes: u64,
    used: bool,
    value: T,
}

/// Entries, of which each has a number of bytes.
#[derive(Debug)]
pub struct Shelf<T> {
    slots: HashMap<Key, Vec<Slot<T>>>,
    /// All that are there, and some that are no more.
    queue: VecDeque<Name>,
    live: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { slots: HashMap::new(), queue: VecDeque::new(), live: 0 }
    }
}

impl<T> Shelf<T> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Puts an entry there, in the place of the one of its key and variant, and says what went for it. An entry that is older than what has its
    /// place is itself what goes.
    pub fn insert(&mut self, name: Name, bytes: u64, value: T) -> Vec<Removed<T>> {
        let slots = self.slots.entry(name.key).or_default();
        let mut removed = Vec::new();
        if let Some(at) = slots.iter().position(|slot| slot.variant == name.variant) {
            if slots[at].number > name.number {
                return vec![Removed { name, bytes, value }];
            }
            removed.push(to_removed(name.key, slots.remove(at)));
        } else if slots.len() >= MAX_VARIANTS
            && let Some((oldest, _)) = slots.iter().enumerate().min_by_key(|(_, slot)| slot.number)
        {
            removed.push(to_removed(name.key, slots.remove(oldest)));
        }
        let slot = Slot { variant: name.variant, number: name.number, bytes, used: false, value };
        let at = slots.partition_point(|other| other.number < name.number);
        slots.insert(at, slot);
        self.live = self.live + 1 - removed.len();
        self.queue.push_back(name);
        self.tidy();
        removed
    }

    /// The newest entry of a key that is wanted. It counts as used.
    pub fn find(&mut self, key: Key, is_wanted: impl Fn(Name, &T) -> bool) -> Option<(Name, &T)> {
        let slots = self.slots.get_mut(&key)?;
        let name = |slot: &Slot<T>| Name { key, variant: slot.variant, number: slot.number };
        let slot = slots.iter_mut().rev().find(|slot| is_wanted(name(slot), &slot.value))?;
        slot.used = true;
        Some((name(slot), &slot.value))
    }

    /// The names of a key's entries.
    pub fn names(&self, key: Key) -> impl Iterator<Item = Name> {
        let slots = self.slots.get(&key).map_or(&[][..], Vec::as_slice);
        slots.iter().map(move |slot| Name { key, variant: slot.variant, number: slot.number })
    }

    /// Whether exactly this entry is there.
    pub fn contains(&self, name: Name) -> bool {
        self.names(name.key).any(|other| other == name)
    }

    /// Exactly this entry, which does not count as used by that.
    pub fn get_mut(&mut self, name: Name) -> Option<&mut T> {
        let slots = self.slots.get_mut(&name.key)?;
        let slot = slots.iter_mut().find(|slot| (slot.variant, slot.number) == (name.variant, name.number))?;
        Some(&mut slot.value)
    }

    /// Marks an entry as used.
    pub fn touch(&mut self, name: Name) {
        let slots = self.slots.get_mut(&name.key).map_or(&mut [][..], Vec::as_mut_slice);
        for slot in slots.iter_mut().filter(|slot| slot.number == name.number) {
            slot.used = true;
        }
    }

    /// Takes exactly this entry away.
    pub fn remove(&mut self, name: Name) -> Option<Removed<T>> {
        let slots = self.slots.get_mut(&name.key)?;
        let at = slots.iter().position(|slot| (slot.variant, slot.number) == (name.variant, name.number))?;
        let slot = slots.remove(at);
        if slots.is_empty() {
            self.slots.remove(&name.key);
        }
        self.live -= 1;
        self.tidy();
        Some(to_removed(name.key, slot))
    }

    /// Takes all entries of a key away.
    pub fn remove_key(&mut self, key: Key) -> Vec<Removed<T>> {
        let slots = self.slots.remove(&key).unwrap_or_default();
        self.live -= slots.len();
        self.tidy();
        slots.into_iter().map(|slot| to_removed(key, slot)).collect()
    }

    /// Gives entries up until these are so many bytes, or there are none left.
    pub fn give_up(&mut self, bytes: u64) -> Vec<Removed<T>> {
        let (mut removed, mut freed, mut chances) = (Vec::new(), 0, 0);
        while freed < bytes
            && let Some(name) = self.queue.pop_front()
        {
            let slots = self.slots.get_mut(&name.key).map_or(&mut [][..], Vec::as_mut_slice);
            let slot = slots.iter_mut().find(|slot| (slot.variant, slot.number) == (name.variant, name.number));
            // It has gone.
            let Some(slot) = slot else { continue };
            if slot.used && chances < MAX_CHANCES {
                slot.used = false;
                chances += 1;
                self.queue.push_back(name);
                continue;
            }
            if let Some(gone) = self.remove(name) {
                freed += gone.bytes;
                removed.push(gone);
            }
        }
        removed
    }

    /// Forgets those in the queue that are there no more, when they are half of it.
    fn tidy(&mut self) {
        if self.queue.len() > 2 * self.live + 16 {
            let mut queue = std::mem::take(&mut self.queue);
            queue.retain(|name| self.contains(*name));
            queue.shrink_to_fit();
            self.queue = queue;
        }
    }
}

fn to_removed<T>(key: Key, slot: Slot<T>) -> Removed<T> {
    Removed { name: Name { key, variant: slot.variant, number: slot.number }, bytes: slot.bytes, value: slot.value }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn name(key: u8, variant: u64, number: u64) -> Name {
        Name { key: Key([key; 16]), variant, number }
    }

    #[test]
    fn what_was_used_is_given_up_later() {
        let mut shelf = Shelf::default();
        for key in 0..4 {
            assert!(shelf.insert(name(key, 0, u64::from(key)), 10, key).is_empty());
        }
        assert_eq!(shelf.find(Key([0; 16]), |_, _| true).map(|(_, value)| *value), Some(0));
        let gone: Vec<_> = shelf.give_up(15).into_iter().map(|gone| gone.value).collect();
        assert_eq!(gone, [1, 2]);
        let gone: Vec<_> = shelf.give_up(1000).into_iter().map(|gone| gone.value).collect();
        assert_eq!(gone, [3, 0]);
        assert!(shelf.is_empty());
    }

    #[test]
    fn a_variant_takes_the_place_of_its_kind_and_too_many_that_of_the_oldest() {
        let mut shelf = Shelf::default();
        assert!(shelf.insert(name(1, 7, 5), 1, "old").is_empty());
        let gone = shelf.insert(name(1, 7, 9), 1, "new");
        assert_eq!(gone.into_iter().map(|gone| gone.value).collect::<Vec<_>>(), ["old"]);
        // What took longer to come does not take the place of what is newer.
        let gone = shelf.insert(name(1, 7, 6), 1, "late");
        assert_eq!(gone.into_iter().map(|gone| gone.value).collect::<Vec<_>>(), ["late"]);
        for variant in 0..MAX_VARIANTS as u64 {
            shelf.insert(name(1, 100 + variant, 100 + variant), 1, "other");
        }
        assert_eq!(shelf.len(), MAX_VARIANTS);
        assert!(!shelf.contains(name(1, 7, 9)));
        assert_eq!(shelf.remove_key(Key([1; 16])).len(), MAX_VARIANTS);
        assert!(shelf.queue.len() <= 2 * MAX_VARIANTS + 16);
    }

    proptest! {
        /// Beside a list in which everything is looked for.
        #[test]
        fn it_has_what_was_put_there(steps in prop::collection::vec((0..5_u8, 0..6_u8, 0..3_u64), 1..400)) {
            let mut shelf = Shelf::default();
            let mut list = BTreeMap::new();
            for (number, (step, key, variant)) in (0..).zip(steps) {
                let name = name(key, variant, number);
                let removed = match step {
                    0..=2 => {
                        list.insert(name, ());
                        shelf.insert(name, 3, ())
                    }
                    3 => shelf.remove_key(name.key),
                    _ => shelf.give_up(7),
                };
                for gone in removed {
                    prop_assert!(list.remove(&gone.name).is_some());
                }
                prop_assert_eq!(shelf.len(), list.len());
                prop_assert!(list.keys().all(|name| shelf.contains(*name)));
                prop_assert!(shelf.queue.len() <= 2 * shelf.len() + 17);
            }
        }
    }
}
