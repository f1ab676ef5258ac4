use tropism::prelude::*;

schema! {
    pub table Project in "projects" { name: String }

    pub table Task in "tasks" { project_id: Id<Project>, parent: Option<Id<Task>>, title: String } with {
        index by_project (project_id) on delete set null;
        index by_title (title) on delete cascade;
        index by_parent (parent) on delete explode;
    }
}

fn main() {}
