//! The count of one run of this program under callgrind.

use std::{env, process::Command};

use crate::{Result, operation::Operation};

/// Instructions of a whole run that does the operation so many times.
pub(crate) fn count(operation: Operation, times: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--work", operation.name(), &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} under valgrind failed: {report}", operation.name()).into());
    }
    // `==PID== Collected : COUNT`
    let collected = report.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count.trim());
    Ok(collected.ok_or_else(|| format!("callgrind tells no count: {report}"))?.parse()?)
}
