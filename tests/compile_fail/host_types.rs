use serde::{Deserialize, Serialize};
use tropism::prelude::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host;

schema! {
    pub table Task in "tasks" { title: String, host: Host }
    pub struct Nested { hosts: Vec<Host> }
}

functions! {
    pub query Ask in "tasks:ask" { host: Host } -> u8 |_| { Ok(1) }
    pub query Answer in "tasks:answer" {} -> Option<Host> |_| { Ok(None) }
}

fn main() {}
