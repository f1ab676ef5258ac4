use tropism::prelude::*;

schema! {
    pub table Task in "tasks" { labels: Vec<String>, blockers: Vec<Id<Task>>, title: String } with {
        multi by_label (labels, title);
        multi by_blocker (blockers) on delete cascade;
        multi by_title (title);
    }
}

fn main() {}
