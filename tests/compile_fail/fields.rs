use tropism::prelude::*;

schema! {
    pub table Task in "tasks" {
        pub title: String,
        pub(crate) secret: String,
        due_at: u64,
        dueAt: u64,
        priority: u8 = "high",
    }
}

fn main() {}
