//! The least that sending costs: the same datagrams, made beforehand, through the same worker.

use std::any::Any;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use stoa_base_net::{Context, Datagram, Features, Group, Handler};

use crate::handler::{SOCKET, thread_time};
use crate::{DATAGRAM, Outcome};

/// Prints a figure a line.
pub(crate) fn measure(subscribers: usize, burst: usize) -> Outcome<()> {
    let sinks = (0..subscribers).map(|_| sink()).collect::<Outcome<Vec<_>>>()?;
    let to = sinks.iter().map(UdpSocket::local_addr).collect::<Result<Vec<_>, _>>()?;
    let make = move |_| -> Vec<Box<dyn Handler>> { vec![Box::new(Bare { to: to.clone(), burst })] };
    let group = Group::start_with(&[SocketAddr::from(([127, 0, 0, 1], 0))], 1, Features::ALL, make)?;
    let mailbox = group.mailbox(0);
    let ask = |order: fn(SyncSender<Duration>) -> Order| -> Outcome<Duration> {
        let (sender, answer) = sync_channel(1);
        mailbox.send(0, Box::new(order(sender))).map_err(|_| "the worker has too much mail")?;
        Ok(answer.recv()?)
    };
    let (mut received, mut room) = (0_u64, [0; 2_048]);
    let mut before = Duration::ZERO;
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            (before, received) = (ask(Order::Read)?, 0);
        }
        ask(Order::Send)?;
        // What was sent last is sent by now, or will be before the next is.
        for sink in &sinks {
            while sink.recv(&mut room).is_ok() {
                received += 1;
            }
        }
    }
    let spent = ask(Order::Read)? - before;
    let sent = u64::try_from(subscribers * burst * ROUNDS)?;
    println!(
        "floor-ns {:.0}\nreceived-share {:.3}",
        spent.as_nanos() as f64 / sent as f64,
        received as f64 / sent as f64
    );
    group.stop();
    Ok(())
}

fn sink() -> Outcome<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

enum Order {
    /// Send a burst to everybody.
    Send(SyncSender<Duration>),
    /// How much CPU time was used?
    Read(SyncSender<Duration>),
}

struct Bare {
    to: Vec<SocketAddr>,
    burst: usize,
}

impl Handler for Bare {
    fn claims(&self, _datagram: &[u8], _from: SocketAddr) -> bool {
        false
    }

    fn handle_datagram(&mut self, _context: &mut Context<'_>, _datagram: Datagram<'_>) {}

    fn handle_mail(&mut self, context: &mut Context<'_>, mail: Box<dyn Any + Send>) {
        let Ok(order) = mail.downcast::<Order>() else { return };
        match *order {
            Order::Read(answer) => _ = answer.send(thread_time()),
            Order::Send(answer) => {
                for to in &self.to {
                    for _ in 0..self.burst {
                        context.send(SOCKET, *to, None, &[&[0x5a; DATAGRAM]]);
                    }
                }
                let _ = answer.send(Duration::ZERO);
            }
        }
    }

    fn handle_timeout(&mut self, _context: &mut Context<'_>) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

const ROUNDS: usize = 150;
const WARM_UP: usize = 10;
