//! Finding the payloads and signature vectors that the tests share with other crates.

use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;

/// A JSON file below `github-webhooks`, or nothing, said loudly, if the shared data is not there.
///
/// `TROPISM_SHARED` names the directory of shared data; without it, `shared` beside the crate is taken.
pub fn json(name: &str) -> Option<Value> {
    let base = std::env::var_os("TROPISM_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let directory = [base.join("data/github-webhooks"), base.join("github-webhooks")];
    let Some(path) = directory.iter().map(|directory| directory.join(name)).find(|path| path.exists()) else {
        // Written past the capture of the test runner, which would hide it in a test that passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {name} is not below {}; set TROPISM_SHARED to the shared directory",
            base.display()
        );
        return None;
    };
    let text = std::fs::read_to_string(&path).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}
