//! What a supervisor holds, to see that it gives it back.

use crate::{process, runtime::wait_until};

/// What a supervisor holds, with its processes.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Worker processes, those of the pool included.
    pub workers: usize,
    /// Open descriptors of the supervisor.
    pub descriptors: usize,
    /// Threads of the supervisor.
    pub threads: usize,
    /// Memory of the supervisor that belongs to no file, in bytes.
    pub bytes: u64,
}

impl Held {
    /// What the supervisor with this id holds now.
    ///
    /// # Panics
    /// There is none.
    pub fn now(pid: u32) -> Held {
        Held {
            workers: process::workers(pid).len(),
            descriptors: process::descriptors(pid).len(),
            threads: process::threads(pid).len(),
            bytes: process::anonymous(pid).expect("the supervisor lives"),
        }
    }

    /// The least that it holds. It opens files now and then to look after its processes, so that one look may see more; the least is known
    /// when many have seen no less.
    ///
    /// # Panics
    /// There is none, or it finds no rest.
    pub fn at_rest(pid: u32) -> Held {
        let mut least = Held::now(pid);
        let mut looks = 0;
        wait_until("the server to be at rest", || {
            let now = Held::now(pid);
            looks = if now.descriptors < least.descriptors || now.workers < least.workers { 0 } else { looks + 1 };
            least.descriptors = least.descriptors.min(now.descriptors);
            least.workers = least.workers.min(now.workers);
            looks > 100
        });
        Held { threads: process::threads(pid).len(), ..least }
    }

    /// Waits until the supervisor holds no more than this again, but for `slack` bytes of memory.
    ///
    /// # Panics
    /// It keeps something, or has children that nobody has waited for.
    pub fn is_given_back(&self, pid: u32, slack: u64) {
        wait_until("what was held to be given back", || {
            let now = Held::now(pid);
            // The pool may have one process more than it needs.
            let spare = now.workers.saturating_sub(self.workers);
            spare <= 1 && now.descriptors <= self.descriptors + 8 * (1 + spare)
        });
        let after = Held::at_rest(pid);
        println!("{self:?} before, {after:?} after");
        assert!(after.threads <= self.threads, "{self:?} before, {after:?} after");
        let growth = after.bytes.saturating_sub(self.bytes);
        assert!(growth < slack, "the supervisor keeps {} KiB more", growth >> 10);
        assert_eq!(process::zombies(pid), 0, "children that nobody waited for");
    }
}
