//! Nothing narrows the key further after a range: another part would be meant.

use tropism::prelude::*;

schema! {
    pub table Task in "tasks" { project: u64, priority: u8 } with {
        index by_project_and_priority (project, priority);
    }
}

fn main() {
    let db = Db::builder().tables::<(Task,)>().in_memory().expect("memory is at hand");
    let _ = db.read(|tx| tx.query(Task::by_project_and_priority).range(1..2).eq(1).count());
}
