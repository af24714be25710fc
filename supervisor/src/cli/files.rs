//! The files that a configuration depends on, watched for changes (`--watch`).
//!
//! The kernel watches directories, because a file that is replaced, or does not exist yet, is a name in one. Each name on the way to a
//! file is watched where it stands, also that of a symbolic link or of a directory, so that it makes no difference which of them is
//! replaced. A path is to be added before it is looked at: then no change is missed.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    ffi::{OsStr, OsString},
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
};
use tokio::io::{Interest, unix::AsyncFd};

/// Symbolic links that one path may lead through, as in the kernel.
const MAX_LINKS: usize = 40;

/// What changes what a name means.
const NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::MASK_ADD);

/// What changes a file, or whether it can be read.
const CONTENT: WatchFlags = WatchFlags::MODIFY.union(WatchFlags::CLOSE_WRITE).union(WatchFlags::ATTRIB);

/// Bytes of events that are read at once.
const EVENTS: usize = 4096;

/// The files that are watched.
pub(super) struct WatchedFiles {
    inotify: OwnedFd,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// The directories, by the kernel's numbers, and the names that matter there.
    directories: HashMap<i32, HashMap<OsString, Uses>>,
    /// Why something cannot be watched, since somebody last asked.
    trouble: Option<(PathBuf, Errno)>,
}

/// What a name matters for.
#[derive(Clone, Copy, Default)]
struct Uses {
    /// The configuration that was loaded last.
    loaded: bool,
    /// The last attempt to load one.
    tried: bool,
}

impl WatchedFiles {
    /// Watches nothing yet.
    ///
    /// # Errors
    ///
    /// The kernel cannot watch anything.
    pub(super) fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { inotify, state: RefCell::default() })
    }

    /// Begins an attempt to load a configuration: what is added from now on matters for it.
    pub(super) fn begin(&self) {
        for names in self.state.borrow_mut().directories.values_mut() {
            names.values_mut().for_each(|uses| uses.tried = false);
        }
    }

    /// Ends an attempt. If it succeeded, nothing matters but what was added for it, and otherwise what matters for the configuration
    /// before does too.
    ///
    /// # Errors
    ///
    /// Something cannot be watched.
    pub(super) fn end(&self, succeeded: bool) -> Result<(), String> {
        let mut state = self.state.borrow_mut();
        state.directories.retain(|number, names| {
            names.retain(|_, uses| {
                if succeeded {
                    uses.loaded = uses.tried;
                }
                uses.loaded || uses.tried
            });
            if names.is_empty() {
                // It may be gone.
                let _ = inotify::remove_watch(&self.inotify, *number);
            }
            !names.is_empty()
        });
        match state.trouble.take() {
            None => Ok(()),
            Some((path, Errno::NOSPC)) => Err(format!(
                "error: --watch: cannot watch {}: the user watches as many files as the kernel allows (fs.inotify.max_user_watches)",
                path.display()
            )),
            Some((path, error)) => Err(format!("error: --watch: cannot watch {}: {error}", path.display())),
        }
    }

    /// Watches what this path means, whether there is something or not.
    pub(super) fn add(&self, path: &Path) {
        let Ok(path) = std::path::absolute(path) else { return };
        let mut state = self.state.borrow_mut();
        let mut at = PathBuf::from("/");
        let mut rest: VecDeque<OsString> = names(&path);
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            if !self.add_name(&mut state, &at, &name, rest.is_empty()) {
                return;
            }
            at.push(&name);
            match std::fs::read_link(&at) {
                Ok(target) if links < MAX_LINKS => {
                    links += 1;
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    } else {
                        at.pop();
                    }
                    for name in names(&target).into_iter().rev() {
                        rest.push_front(name);
                    }
                }
                // What a loop of links means, nobody knows.
                Ok(_) => return,
                // It is no link, or is not there.
                Err(_) => {}
            }
        }
    }

    /// Watches a name in a directory, where there is such a directory.
    fn add_name(&self, state: &mut State, directory: &Path, name: &OsStr, is_last: bool) -> bool {
        let flags = if is_last { NAMES | CONTENT } else { NAMES };
        match inotify::add_watch(&self.inotify, directory, flags) {
            Ok(number) => {
                let names = state.directories.entry(number).or_default();
                names.entry(name.to_owned()).or_default().tried = true;
                true
            }
            Err(Errno::NOENT | Errno::NOTDIR) => false,
            // Others may change what is in it, but nobody who serves here can tell.
            Err(Errno::ACCESS) => true,
            Err(error) => {
                state.trouble.get_or_insert_with(|| (directory.to_owned(), error));
                true
            }
        }
    }

    /// Waits until something changes that matters.
    ///
    /// # Errors
    ///
    /// The event loop, or the kernel, cannot tell any more.
    pub(super) async fn change(&self) -> io::Result<()> {
        // The function is deprecated because its argument could change its descriptor, and the new one is unsafe for that reason; a
        // borrowed descriptor stays what it is, and this crate contains no unsafe code.
        #[expect(deprecated)]
        let events = AsyncFd::with_interest(self.inotify.as_fd(), Interest::READABLE)?;
        loop {
            let mut ready = events.readable().await?;
            if self.read(*events.get_ref())? {
                return Ok(());
            }
            ready.clear_ready();
        }
    }

    /// Reads all events that there are. Whether one matters.
    fn read(&self, inotify: BorrowedFd<'_>) -> io::Result<bool> {
        let mut state = self.state.borrow_mut();
        let mut buffer = [MaybeUninit::uninit(); EVENTS];
        let mut events = inotify::Reader::new(inotify, &mut buffer);
        let mut matters = false;
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(matters),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                matters = true;
            } else if event.events().contains(ReadFlags::IGNORED) {
                // The directory is gone; where we have let go of it ourselves, it is not known any more.
                matters |= state.directories.remove(&event.wd()).is_some();
            } else if let Some(names) = state.directories.get(&event.wd())
                && let Some(name) = event.file_name()
            {
                matters |= names.contains_key(OsStr::from_bytes(name.to_bytes()));
            }
        }
    }
}

/// The names that a path consists of, without those that mean nothing.
fn names(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, time::Duration};

    use super::*;

    /// A directory, and files that are watched there.
    struct Watched {
        files: WatchedFiles,
        directory: tempfile::TempDir,
        runtime: tokio::runtime::Runtime,
    }

    impl Watched {
        fn new(make: impl FnOnce(&Path), names: &[&str]) -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            make(directory.path());
            let files = WatchedFiles::new().expect("a watch");
            let watched = Self {
                files,
                directory,
                runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop"),
            };
            watched.load(names, true);
            watched
        }

        fn load(&self, names: &[&str], succeeds: bool) {
            self.files.begin();
            names.iter().for_each(|name| self.files.add(&self.directory.path().join(name)));
            self.files.end(succeeds).expect("to watch");
        }

        /// Whether this is noticed. What is, is there at once.
        fn notices(&self, change: impl FnOnce(&Path)) -> bool {
            change(self.directory.path());
            self.runtime.block_on(async {
                let change = tokio::time::timeout(Duration::ZERO, async {
                    // The event loop looks once before the time is over.
                    self.files.change().await.expect("events");
                });
                change.await.is_ok()
            }) || self.files.read(self.files.inotify.as_fd()).expect("events")
        }

        fn directories(&self) -> usize {
            self.files.state.borrow().directories.len()
        }
    }

    fn write(at: &Path, name: &str) {
        fs::write(at.join(name), name).expect("a file");
    }

    #[test]
    fn the_ways_in_which_editors_write_are_noticed_and_other_files_are_not() {
        let watched = Watched::new(|at| write(at, "a"), &["a"]);
        assert!(!watched.notices(|at| write(at, "b")), "another file");
        assert!(!watched.notices(|at| drop(fs::read(at.join("a")).expect("a file"))), "who reads");
        assert!(watched.notices(|at| write(at, "a")), "written in place");
        let mut open = None;
        assert!(watched.notices(|at| open = fs::File::options().write(true).truncate(true).open(at.join("a")).ok()));
        assert!(watched.notices(|_| {
            io::Write::write_all(&mut open.take().expect("a file"), b"second step").expect("to write");
        }));
        assert!(watched.notices(|at| fs::rename(at.join("b"), at.join("a")).expect("to rename")), "renamed over");
        assert!(watched.notices(|at| write(at, "a")), "still watched");
        assert!(watched.notices(|at| fs::remove_file(at.join("a")).expect("to remove")));
        assert!(watched.notices(|at| write(at, "a")), "made again");
        assert!(watched.notices(|at| fs::rename(at.join("a"), at.join("away")).expect("to rename")));
    }

    #[test]
    fn what_is_not_there_yet_is_noticed_when_it_comes() {
        let watched = Watched::new(|_| (), &["x/y/z"]);
        assert!(!watched.notices(|at| write(at, "y")));
        assert!(watched.notices(|at| fs::create_dir(at.join("x")).expect("a directory")));
        watched.load(&["x/y/z"], false);
        assert!(watched.notices(|at| fs::create_dir(at.join("x/y")).expect("a directory")));
        watched.load(&["x/y/z"], false);
        assert!(watched.notices(|at| write(at, "x/y/z")));
    }

    #[test]
    fn links_and_directories_on_the_way_are_watched_too() {
        // As volumes of Kubernetes are replaced: two links, and a directory that takes the place of another.
        let make = |at: &Path| {
            for version in ["1", "2"] {
                fs::create_dir(at.join(version)).expect("a directory");
                write(at, &format!("{version}/a"));
            }
            symlink("1", at.join("data")).expect("a link");
            symlink("data/a", at.join("a")).expect("a link");
        };
        let watched = Watched::new(make, &["a"]);
        assert!(watched.notices(|at| write(at, "1/a")), "what the links lead to");
        assert!(!watched.notices(|at| write(at, "2/a")));
        assert!(watched.notices(|at| {
            symlink("2", at.join("next")).expect("a link");
            fs::rename(at.join("next"), at.join("data")).expect("to rename");
        }));
        watched.load(&["a"], true);
        assert!(watched.notices(|at| write(at, "2/a")));
        assert!(!watched.notices(|at| write(at, "1/a")), "no longer of interest");
        assert!(
            watched.notices(|at| fs::rename(at.join("2"), at.join("3")).expect("to rename")),
            "the directory itself"
        );
        // A loop of links ends.
        assert!(watched.notices(|at| {
            fs::remove_file(at.join("data")).expect("to remove");
            symlink("data", at.join("data")).expect("a link");
        }));
        watched.load(&["a"], false);
    }

    #[test]
    fn what_failed_is_watched_beside_what_was_loaded_and_what_came_before_is_forgotten() {
        let make =
            |at: &Path| ["x", "y", "z"].iter().for_each(|name| fs::create_dir(at.join(name)).expect("a directory"));
        let watched = Watched::new(make, &["x/a"]);
        let before = watched.directories();
        watched.load(&["y/a"], false);
        assert!(watched.notices(|at| write(at, "x/a")) && watched.notices(|at| write(at, "y/a")));
        watched.load(&["z/a"], false);
        assert!(watched.notices(|at| write(at, "x/a")) && watched.notices(|at| write(at, "z/a")));
        assert!(!watched.notices(|at| write(at, "y/a")));
        watched.load(&["z/a"], true);
        assert!(!watched.notices(|at| write(at, "x/a")));
        assert_eq!(watched.directories(), before);
    }
}
