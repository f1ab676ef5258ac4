use tropism::{Table, Tables, prelude::*};

schema! {
    pub table Project in "projects" { name: String }
}

fn is_table<T: Table>() {}
fn are_tables<T: Tables>() {}

fn main() {
    is_table::<Project>();
    is_table::<String>();
    are_tables::<(Project, (Project,))>();
    are_tables::<(Project, String)>();
}
