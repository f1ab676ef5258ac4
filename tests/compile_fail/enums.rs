use tropism::prelude::*;

schema! {
    pub enum Category {
        Backlog = "backlog",
        Todo = "todo",
        Later = "backlog",
    }
}

fn main() {}
