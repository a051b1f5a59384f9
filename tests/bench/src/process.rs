//! What the kernel knows of a process and its sockets.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::Outcome;

/// Ten thousand sockets are ten thousand files.
pub(crate) fn raise_file_limit() -> Outcome<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Open files that this process may have; children inherit it.
pub(crate) fn file_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The machine in one line.
pub(crate) fn machine() -> Outcome<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(format!(
        "{cores} x {}, Linux {}, load {} at start",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim(),
        load.split(' ').next().unwrap_or_default()
    ))
}

/// `VmRSS` in KiB.
pub(crate) fn rss_kib(pid: u32) -> Outcome<f64> {
    number_after(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:")
}

/// Resident memory page by page, in KiB: `VmRSS` is kept per core and may be off by some hundred KiB.
pub(crate) fn exact_rss_kib(pid: u32) -> Outcome<f64> {
    number_after(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?, "Rss:")
}

/// Seconds of CPU that the process has used, the kernel's work for it included.
pub(crate) fn cpu_seconds(pid: u32) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(") ").ok_or("unreadable stat")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    let per_second = u32::try_from(clock_ticks_per_second())?;
    Ok(f64::from(ticks) / f64::from(per_second))
}

/// Measures CPU time to the nanosecond, where [`cpu_seconds`] counts in hundredths of a second.
pub(crate) struct CpuMeter {
    pid: u32,
    threads: BTreeMap<u32, f64>,
    coarse: f64,
}

impl CpuMeter {
    pub(crate) fn start(pid: u32) -> Outcome<Self> {
        Ok(Self { pid, threads: seconds_of_threads(pid)?, coarse: cpu_seconds(pid)? })
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> Outcome<f64> {
        let now = seconds_of_threads(self.pid)?;
        let fine: f64 = now.iter().map(|(id, seconds)| seconds - self.threads.get(id).unwrap_or(&0.0)).sum();
        // What a thread did that has ended is in the coarse count alone.
        let coarse = cpu_seconds(self.pid)? - self.coarse;
        Ok(if coarse - fine > COARSE_ERROR { coarse } else { fine })
    }
}

/// The coarse count rounds user and system time, before and after.
const COARSE_ERROR: f64 = 0.04;

fn seconds_of_threads(pid: u32) -> Outcome<BTreeMap<u32, f64>> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path();
        let id = path.file_name().and_then(|name| name.to_str()).ok_or("unreadable thread")?.parse()?;
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(path.join("schedstat")) else { continue };
        let nanoseconds: f64 = text.split(' ').next().ok_or("unreadable schedstat")?.parse()?;
        threads.insert(id, nanoseconds / 1e9);
    }
    Ok(threads)
}

/// How often any thread of the process was put on a core.
pub(crate) fn switches(pid: u32) -> Outcome<f64> {
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        sum += number_after(&status, "\nvoluntary_ctxt_switches:")?;
        sum += number_after(&status, "\nnonvoluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

/// Bytes that the kernel holds for a peer who has not taken them; `None` when the socket is gone.
pub(crate) fn send_queue(own: SocketAddr, peer: SocketAddr) -> Outcome<Option<u64>> {
    let (own, peer) = (kernel_name(own)?, kernel_name(peer)?);
    for line in fs::read_to_string("/proc/net/tcp")?.lines() {
        let mut fields = line.split_whitespace().skip(1);
        if fields.next() == Some(&own) && fields.next() == Some(&peer) {
            let queues = fields.nth(1).ok_or("unreadable /proc/net/tcp")?;
            let (sending, _) = queues.split_once(':').ok_or("unreadable /proc/net/tcp")?;
            return Ok(Some(u64::from_str_radix(sending, 16)?));
        }
    }
    Ok(None)
}

fn kernel_name(address: SocketAddr) -> Outcome<String> {
    match address {
        SocketAddr::V4(address) => {
            Ok(format!("{:08X}:{:04X}", u32::from_le_bytes(address.ip().octets()), address.port()))
        }
        SocketAddr::V6(_) => Err("the benchmark speaks IPv4".into()),
    }
}

fn number_after(text: &str, key: &str) -> Outcome<f64> {
    let value = text.split_once(key).and_then(|(_, rest)| rest.split_whitespace().next());
    Ok(value.ok_or_else(|| format!("the kernel says nothing of {}", key.trim()))?.parse()?)
}
