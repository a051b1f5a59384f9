//! What `stoa-bench-docs` measures beside servers. `append` is a bare loop that appends what its clients say to a file and
//! acknowledges it once it is on disk; `open` answers whoever connects with so many bytes; `merge` measures how updates
//! become one, in this process.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the benchmark reads addresses and figures from standard output")]

#[path = "bench-documents/append.rs"]
mod append;
#[path = "bench-documents/merge.rs"]
mod merge;
#[path = "bench-documents/open.rs"]
mod open;
#[path = "bench-documents/socket.rs"]
mod socket;

use std::error::Error;
use std::path::Path;

use tokio::runtime::Builder;

/// A bare loop has nothing to mend.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match *arguments.as_slice() {
        ["append", folder] => runtime.block_on(append::serve(Path::new(folder))),
        ["open", bytes] => runtime.block_on(open::serve(bytes.parse()?)),
        ["merge"] => merge::measure(),
        _ => Err("say append and a folder, open and a number of bytes, or merge".into()),
    }
}
