use tropism::{
    __private::{AsPart, NextPart, Prefix},
    Index,
    prelude::*,
};

schema! {
    pub enum Category { Todo = "todo", Done = "done" }

    pub table Project in "projects" { name: String }

    pub table Task in "tasks" { project_id: Id<Project>, category: Category } with {
        index by_project_and_category (project_id, category);
    }
}

/// What is left of an index's key.
struct Key<R>(std::marker::PhantomData<R>);

impl<R> Key<R> {
    fn of<T>(_: Index<T, R>) -> Self {
        Key(std::marker::PhantomData)
    }

    fn eq<P: Prefix<R, M>, M>(self, _: P) -> Key<P::Rest> {
        Key(std::marker::PhantomData)
    }

    fn from<V: AsPart<R::Part>>(self, _: V)
    where
        R: NextPart,
    {
    }
}

fn look(project: Id<Project>, task: Id<Task>) {
    Key::of(Task::by_project_and_category).eq(task);
    Key::of(Task::by_project_and_category).eq((Category::Todo, project));
    Key::of(Task::by_project_and_category).eq((project, Category::Todo, 1));
    Key::of(Task::by_project_and_category).eq(project).from(project);
    Key::of(Task::by_project_and_category).eq((project, Category::Todo)).from(1);
}

fn main() {}
