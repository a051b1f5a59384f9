//! What the disk itself costs.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::Outcome;

/// Milliseconds that each of many appends of 4 KiB takes until it is on disk.
pub(crate) fn append_times(folder: &Path) -> Outcome<Vec<f64>> {
    let path = folder.join("probe");
    let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
    let mut times = Vec::new();
    for _ in 0..APPENDS {
        let start = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    std::fs::remove_file(path)?;
    Ok(times)
}

const APPENDS: usize = 500;
