use tropism::prelude::*;

schema! { pub table Task in "tasks" { title: String } }

functions! {
    pub question List in "tasks:list" {} -> Vec<Doc<Task>> |tx| { tx.query(Task::by_id).collect() }
}

functions! {
    pub query NoOutput in "tasks:noOutput" {} |tx| { tx.query(Task::by_id).count() }
}

functions! {
    pub query WrongOutput in "tasks:wrongOutput" {} -> String |tx| { tx.query(Task::by_id).count() }
}

functions! {
    pub query Writes in "tasks:writes" { title: String } -> Id<Task> |tx| { tx.insert(Task { title }) }
}

functions! {
    pub query Listed in "tasks:listed" {} -> usize |tx| { tx.query(Task::by_id).count() }
}

fn schedule(tx: &mut WriteTx) {
    tx.schedule().now(Listed {}).unwrap();
}

fn main() {}
