//! Space that several use, and who makes room for whom: those that have least lose nothing to those that have more.

/// A number of bytes that several users share. Who wants more than there is takes it from whoever has most; nobody takes anything from a user that
/// has less than itself would have then. So one that wants all there is loses its own, and as long as there are N users none can be kept below
/// the Nth part.
#[derive(Debug)]
pub struct Space {
    limit: u64,
    total: u64,
    used: Vec<u64>,
}

/// What has to happen for bytes to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Nothing: they are the user's.
    Granted,
    /// This user has to give up so many bytes; then it is asked again.
    From(usize, u64),
    /// There is nobody who would have to.
    Refused,
}

impl Space {
    /// So much space, for so many users.
    pub fn new(limit: u64, users: usize) -> Space {
        Space { limit, total: 0, used: vec![0; users] }
    }

    /// From now on there is so much space, for so many users, those that were there first and no fewer. Where there is less than is used, [`Self::excess`] says
    /// who gives up what.
    pub fn resize(&mut self, limit: u64, users: usize) {
        self.limit = limit;
        self.used.resize(users.max(self.used.len()), 0);
    }

    /// All that there is.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// What is used.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What a user has.
    pub fn used(&self, user: usize) -> u64 {
        self.used[user]
    }

    /// Takes bytes, if there are so many. `bare` are the users of which it is known that they have nothing to give up.
    pub fn take(&mut self, user: usize, bytes: u64, bare: &[usize]) -> Taken {
        let wanted = self.total.saturating_add(bytes);
        if wanted <= self.limit {
            self.put(user, bytes);
            return Taken::Granted;
        }
        if bytes > self.limit {
            return Taken::Refused;
        }
        let then = self.used[user] + bytes;
        let others = self
            .used
            .iter()
            .enumerate()
            .filter(|(other, used)| *other != user && **used > then && !bare.contains(other));
        let missing = wanted - self.limit;
        match others.max_by_key(|(_, used)| **used) {
            // Not more than until it has no more than who asks.
            Some((other, used)) => Taken::From(other, missing.min((used - then).max(1))),
            None if !bare.contains(&user) && self.used[user] > 0 => Taken::From(user, missing),
            None => Taken::Refused,
        }
    }

    /// Takes bytes that are there already, whatever the limit is.
    pub fn put(&mut self, user: usize, bytes: u64) {
        self.used[user] += bytes;
        self.total += bytes;
    }

    /// Gives bytes back: what there is of them.
    pub fn give(&mut self, user: usize, bytes: u64) {
        let bytes = bytes.min(self.used[user]);
        self.used[user] -= bytes;
        self.total -= bytes;
    }

    /// Who has to give up how much for what there is to be within the limit.
    pub fn excess(&self, bare: &[usize]) -> Option<(usize, u64)> {
        let excess = self.total.checked_sub(self.limit).filter(|excess| *excess > 0)?;
        let users = self.used.iter().enumerate().filter(|(user, used)| **used > 0 && !bare.contains(user));
        users.max_by_key(|(_, used)| **used).map(|(user, _)| (user, excess))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a cache does it: whatever a user has it can give up.
    fn take(space: &mut Space, user: usize, bytes: u64) -> bool {
        let mut bare = Vec::new();
        loop {
            match space.take(user, bytes, &bare) {
                Taken::Granted => return true,
                Taken::Refused => return false,
                Taken::From(other, 0) => bare.push(other),
                Taken::From(other, bytes) => space.give(other, bytes),
            }
        }
    }

    #[test]
    fn a_flood_takes_nothing_from_those_that_have_less() {
        let mut space = Space::new(1000, 3);
        assert!(take(&mut space, 0, 200));
        for _ in 0..1000 {
            assert!(take(&mut space, 1, 7));
        }
        assert_eq!(space.used(0), 200);
        // One that comes later gets its part from the flood.
        for _ in 0..100 {
            assert!(take(&mut space, 2, 5));
        }
        assert!(space.used(0) == 200 && space.used(2) >= 390, "{space:?}");
    }

    #[test]
    fn who_joins_gets_a_part_and_less_space_is_given_up() {
        let mut space = Space::new(100, 1);
        assert!(take(&mut space, 0, 100));
        space.resize(60, 3);
        assert_eq!(space.excess(&[]), Some((0, 40)));
        space.give(0, 40);
        assert_eq!(space.excess(&[]), None);
        assert!(take(&mut space, 2, 30) && space.used(0) == 30, "{space:?}");
    }

    #[test]
    fn what_is_on_its_way_is_not_given_up() {
        let mut space = Space::new(100, 2);
        assert!(take(&mut space, 0, 30));
        space.put(1, 70);
        assert_eq!(space.take(1, 10, &[1]), Taken::Refused);
        assert_eq!(space.take(0, 10, &[1]), Taken::From(0, 10));
        assert_eq!(space.take(0, 10, &[1, 0]), Taken::Refused);
        assert_eq!(space.take(0, 101, &[]), Taken::Refused);
    }

    proptest! {
        #[test]
        fn shares_hold(steps in prop::collection::vec((0..4_usize, 1..60_u64), 1..300)) {
            let mut space = Space::new(200, 4);
            for (user, bytes) in steps {
                let before: Vec<_> = (0..4).map(|user| space.used(user)).collect();
                take(&mut space, user, bytes);
                prop_assert!(space.total() <= 200);
                prop_assert_eq!(space.total(), (0..4).map(|user| space.used(user)).sum::<u64>());
                for other in (0..4).filter(|other| *other != user) {
                    let lost = before[other] - space.used(other);
                    // Who lost something had more, and still has as much.
                    prop_assert!(lost == 0 || space.used(other) + 1 >= before[user].min(before[other]));
                    prop_assert!(lost == 0 || before[other] > before[user]);
                }
            }
        }
    }
}
