use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::context::{Context, Desk};
use crate::counts::Dropped;
use crate::handler::{Datagram, Handler, IcmpError, Passed};
use crate::inside::Insiders;

/// Builds the handlers of one worker, at the start and again after a panic.
pub(crate) type MakeHandlers = Arc<dyn Fn(usize) -> Vec<Box<dyn Handler>> + Send + Sync>;

/// The handlers of a worker. A panic in one costs that one its state and its sockets; it is built anew.
pub(crate) struct Crew {
    handlers: Vec<Option<Box<dyn Handler>>>,
    make: MakeHandlers,
    worker: usize,
}

impl Crew {
    pub(crate) fn new(make: MakeHandlers, worker: usize) -> Self {
        let handlers = catch_unwind(AssertUnwindSafe(|| make(worker))).unwrap_or_else(|_| {
            tracing::error!("the UDP handlers could not be made; datagrams are dropped");
            Vec::new()
        });
        Self { handlers: handlers.into_iter().map(Some).collect(), make, worker }
    }

    /// The addresses that handlers have within the process.
    pub(crate) fn insiders(&self) -> Vec<(usize, Insiders)> {
        let handlers = self.handlers.iter().enumerate();
        handlers.filter_map(|(index, handler)| Some((index, handler.as_ref()?.insiders()?))).collect()
    }

    /// Hands a datagram to the handler that bound its socket or, on a listening socket, to the first that claims it.
    pub(crate) fn datagram(&mut self, desk: &mut Desk, owner: Option<usize>, datagram: Datagram<'_>) {
        self.deliver(desk, owner, None, datagram);
    }

    /// Hands a datagram that the handler `by` sent to a listening socket to the first of the others that claims it.
    pub(crate) fn inside(&mut self, desk: &mut Desk, by: usize, datagram: Datagram<'_>) {
        self.deliver(desk, None, Some(by), datagram);
    }

    fn deliver(&mut self, desk: &mut Desk, owner: Option<usize>, by: Option<usize>, datagram: Datagram<'_>) {
        self.guarded(desk, owner.unwrap_or(0), |handlers, desk, active| {
            let index = owner.or_else(|| claiming(handlers, active, by, datagram));
            let handler = index.and_then(|index| handlers.get_mut(index)?.as_mut().map(|handler| (index, handler)));
            let Some((index, handler)) = handler else { return desk.counts.drop_one(Dropped::Unclaimed) };
            active.set(index);
            handler.handle_datagram(&mut Context { desk, handler: index }, datagram);
        });
    }

    pub(crate) fn passed(&mut self, desk: &mut Desk, handler: usize, passed: Passed<'_>) {
        desk.counts.passed += 1;
        self.with(desk, handler, |handler, context| handler.handle_passed(context, passed));
    }

    pub(crate) fn icmp(&mut self, desk: &mut Desk, handler: usize, error: IcmpError) {
        self.with(desk, handler, |handler, context| handler.handle_icmp(context, error));
    }

    pub(crate) fn mail(&mut self, desk: &mut Desk, handler: usize, mail: Box<dyn Any + Send>) {
        self.with(desk, handler, |handler, context| handler.handle_mail(context, mail));
    }

    /// Fires the timers that are due.
    pub(crate) fn timeouts(&mut self, desk: &mut Desk) {
        for index in 0..self.handlers.len() {
            self.with(desk, index, |handler, context| {
                if handler.poll_timeout().is_some_and(|at| at <= context.now()) {
                    handler.handle_timeout(context);
                }
            });
        }
    }

    /// The next deadline of all.
    pub(crate) fn next_timeout(&mut self, desk: &mut Desk) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for index in 0..self.handlers.len() {
            let at = self.guarded(desk, index, |handlers, _, _| handlers.get(index)?.as_ref()?.poll_timeout());
            next = next.into_iter().chain(at).min();
        }
        next
    }

    fn with(&mut self, desk: &mut Desk, index: usize, run: impl FnOnce(&mut dyn Handler, &mut Context<'_>)) {
        self.guarded(desk, index, |handlers, desk, _| match handlers.get_mut(index).and_then(Option::as_mut) {
            Some(handler) => run(handler.as_mut(), &mut Context { desk, handler: index }),
            None => desk.counts.drop_one(Dropped::NoHandler),
        });
    }

    /// Runs handler code; `active` says which handler is running when that is not `first`.
    fn guarded<T: Default>(
        &mut self,
        desk: &mut Desk,
        first: usize,
        run: impl FnOnce(&mut [Option<Box<dyn Handler>>], &mut Desk, &Cell<usize>) -> T,
    ) -> T {
        let active = Cell::new(first);
        catch_unwind(AssertUnwindSafe(|| run(&mut self.handlers, desk, &active))).unwrap_or_else(|_| {
            self.rebuild(desk, active.get());
            T::default()
        })
    }

    fn rebuild(&mut self, desk: &mut Desk, index: usize) {
        desk.counts.panics += 1;
        tracing::error!(handler = index, "a UDP handler panicked; its state is rebuilt, the listening sockets stay");
        desk.close_all_of(index);
        let Some(slot) = self.handlers.get_mut(index) else { return };
        let old = slot.take();
        // Neither the end of the old state nor the making of the new one may cost the worker.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(old)));
        let new = catch_unwind(AssertUnwindSafe(|| (self.make)(self.worker).into_iter().nth(index)));
        *slot = new.unwrap_or_default();
    }
}

/// The first handler that claims a datagram, apart from the one that sent it.
fn claiming(
    handlers: &[Option<Box<dyn Handler>>],
    active: &Cell<usize>,
    by: Option<usize>,
    datagram: Datagram<'_>,
) -> Option<usize> {
    let mut others = handlers.iter().enumerate().filter(|(index, _)| Some(*index) != by);
    others.find_map(|(index, handler)| {
        active.set(index);
        handler.as_ref()?.claims(datagram.bytes, datagram.from).then_some(index)
    })
}
