//! Many small updates as one, without a document. The work is done by an example, since the benchmark itself links no part.

use super::Plan;
use crate::Outcome;
use crate::report::{Report, Row};
use crate::server;

pub(crate) fn measure(_: Plan, report: &mut Report) -> Outcome<()> {
    let output = server::example("bench-documents")?.arg("merge").output()?;
    let text = String::from_utf8(output.stdout)?;
    let figure = |name: &str| -> Outcome<f64> {
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(found.ok_or_else(|| format!("the example said nothing of {name}"))?.parse()?)
    };
    let row = Row::new("merge of a tail of 20,000 updates", "ms", figure("merge-ms")?);
    report.add(row.with_rival("yrs flat", figure("yrs-flat-ms")?).at_most(30.0));
    report.add(Row::new("the same, with reading the updates first", "ms", figure("read-and-merge-ms")?));
    report.add(Row::new("GC pass over it (yrs: decode, integrate, encode)", "ms", figure("gc-ms")?));
    report.add(Row::new("size of the 20,000 updates", "B", figure("updates-bytes")?));
    report.add(Row::new("size after the merge", "B", figure("merged-bytes")?));
    report.add(Row::new("size after the GC pass", "B", figure("gc-bytes")?));
    report.note(
        "merge: the first 20,000 updates of a seeded trace of single-character edits by one author; one thread, medians of 5 \
         (yrs flat: of 3). What the merge writes is checked: yrs reads the same text from it as from the updates.",
    );
    Ok(())
}
