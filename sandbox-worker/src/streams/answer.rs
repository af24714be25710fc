//! A native body of a response that needs its event for as long as it is pulled.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
};

use futures::future::{Either, LocalBoxFuture, select};

use super::{
    OpenBody,
    reader::{tell_broken, tell_hung},
    reading::Reading,
    source::{Broken, Pulled, Source},
};
use crate::{
    io::{Event, Hold},
    limits::{self, Limit},
};

/// A body that an event's tasks produce, or others of its streams have a share in.
pub(crate) struct Answer {
    /// The event lives for as long as its response is pulled.
    event: Rc<Event>,
    from: Rc<Reading>,
    /// Dropped at the end.
    open: RefCell<Option<OpenBody>>,
    /// Whoever pulls has the event go on, but while a pull waits for what is inside of the isolate, and at the end.
    hold: RefCell<Option<Hold>>,
    /// How many bytes more the body may have.
    left: Cell<u64>,
}

/// A pull that waits.
struct Waiting<'a>(&'a Answer);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let hold = self.0.event.context().hold();
        *self.0.hold.borrow_mut() = Some(hold);
    }
}

impl Answer {
    /// A body of at most `max_bytes` bytes.
    pub(crate) fn new(event: &Rc<Event>, from: Rc<Reading>, open: OpenBody, max_bytes: u64) -> Self {
        Answer {
            event: event.clone(),
            from,
            open: RefCell::new(Some(open)),
            hold: RefCell::new(Some(event.context().hold())),
            left: Cell::new(max_bytes),
        }
    }

    async fn read(&self, max_bytes: usize) -> Result<Pulled, Broken> {
        let exceeded = |limit| Err(Broken::failed(limits::text(limit)));
        if let Some(limit) = self.event.breach() {
            return exceeded(limit);
        }
        let waiting = (!self.from.is_outside()).then(|| {
            drop(self.hold.take());
            Waiting(self)
        });
        let may_hang = waiting.is_some();
        let hung = async {
            match may_hang {
                true => self.event.hung().await,
                false => std::future::pending().await,
            }
        };
        let (ended, hung) = (pin!(self.event.ended()), pin!(hung));
        let pulled = match select(self.from.pull(max_bytes), select(ended, hung)).await {
            Either::Left((pulled, _)) => pulled,
            Either::Right((Either::Left((limit, _)), _)) => return exceeded(limit),
            Either::Right((Either::Right(_), _)) => return Err(Broken::failed(&tell_hung(&self.event))),
        };
        drop(waiting);
        if let Some(limit) = self.event.breach() {
            return exceeded(limit);
        }
        let pulled = match pulled {
            Ok(pulled) => pulled,
            Err(broken) => {
                let error = broken.into_script();
                let tell = |scope: &mut v8::PinScope<'_, '_>| {
                    let reason = error.to_value(scope);
                    tell_broken(scope, reason)
                };
                return Err(Broken::failed(&self.event.run(tell).await));
            }
        };
        let Some(left) = self.left.get().checked_sub(pulled.bytes.len() as u64) else {
            self.event.end(Limit::ResponseBody);
            return exceeded(Limit::ResponseBody);
        };
        self.left.set(left);
        Ok(pulled)
    }
}

impl Source for Answer {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let mut pulled = self.read(max_bytes).await.inspect_err(|_| drop((self.open.take(), self.hold.take())))?;
            pulled.room = self.event.outlet().room(pulled.bytes.len()).await;
            if pulled.done {
                drop((self.open.take(), self.hold.take()));
            }
            Ok(pulled)
        })
    }
}
