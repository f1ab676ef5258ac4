//! Acceptance criteria: what must hold when a task is done.

use super::{
    error::{AgentError, Result, not_empty},
    internal::history::{Subject, record},
    lists::{LISTED, bounded},
    schema::*,
};
use crate::prelude::*;

functions! {
    /// The functions of acceptance criteria.
    pub module CriterionFunctions;

    /// Those of a task, in their order.
    pub query ListCriteria in "acceptanceCriteria:list" {
        task_id: Id<Task>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<AcceptanceCriterion>> |tx| {
        tx.query(AcceptanceCriterion::by_task).eq(task_id).take(bounded(limit)).collect()
    }

    /// Adds one, as the last.
    pub mutation CreateCriterion in "acceptanceCriteria:create" {
        task_id: Id<Task>,
        text: String,
        user: String = "system".to_owned(),
    } -> Result<Id<AcceptanceCriterion>, AgentError> |tx| {
        not_empty("text", &text)?;
        tx.existing(task_id)?;
        let last = tx.query(AcceptanceCriterion::by_task).eq(task_id).descending().first()?;
        let position = last.map_or(0, |last| last.position + 1);
        let id = tx.insert(AcceptanceCriterion { task_id, text: text.clone(), done: false, position })?;
        record(tx, Subject::Task(task_id), "criterion.created", &user, Some(text))?;
        Ok(id)
    }

    /// Changes what is given, and leaves the rest.
    pub mutation UpdateCriterion in "acceptanceCriteria:update" {
        id: Id<AcceptanceCriterion>,
        text: Option<String>,
        done: Option<bool>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        if let Some(text) = &text {
            not_empty("text", text)?;
        }
        let mut task = None;
        tx.patch(id, |criterion: &mut AcceptanceCriterion| {
            criterion.text = text.unwrap_or_else(|| criterion.text.clone());
            criterion.done = done.unwrap_or(criterion.done);
            task = Some((criterion.task_id, criterion.text.clone()));
        })?;
        let Some((task, text)) = task else { return Ok(()) };
        let action = match done {
            Some(true) => "criterion.met",
            Some(false) => "criterion.not_met",
            None => "criterion.updated",
        };
        record(tx, Subject::Task(task), action, &user, Some(text))
    }

    /// Puts one at another place.
    pub mutation ReorderCriterion in "acceptanceCriteria:reorder" {
        id: Id<AcceptanceCriterion>,
        /// From 0; beyond the end is the end.
        position: u32,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> = reorder;

    /// Deletes one.
    pub mutation DeleteCriterion in "acceptanceCriteria:delete" {
        id: Id<AcceptanceCriterion>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        let criterion = tx.get(id)?;
        tx.delete(id)?;
        let Some(criterion) = criterion else { return Ok(()) };
        renumber(tx, criterion.task_id, None)?;
        record(tx, Subject::Task(criterion.task_id), "criterion.deleted", &user, Some(criterion.text.clone()))
    }
}

fn reorder(tx: &mut WriteTx, arguments: &ReorderCriterion) -> Result<()> {
    let criterion = tx.existing(arguments.id)?;
    renumber(tx, criterion.task_id, Some((arguments.id, arguments.position)))?;
    let position = tx.get(arguments.id)?.map_or(criterion.position, |moved| moved.position);
    if position == criterion.position {
        return Ok(());
    }
    let details = Some(format!("{} to place {position}", criterion.text));
    record(tx, Subject::Task(criterion.task_id), "criterion.reordered", &arguments.user, details)
}

/// Numbers the criteria of a task from 0, with one of them at a wanted place.
fn renumber(tx: &mut WriteTx, task: Id<Task>, wanted: Option<(Id<AcceptanceCriterion>, u32)>) -> Result<()> {
    let criteria = tx.query(AcceptanceCriterion::by_task).eq(task).collect()?;
    let mut order: Vec<_> = criteria.iter().map(Doc::id).collect();
    if let Some((id, position)) = wanted {
        order.retain(|other| *other != id);
        order.insert(order.len().min(position as usize), id);
    }
    for (position, id) in (0..).zip(order) {
        tx.patch(id, |criterion: &mut AcceptanceCriterion| criterion.position = position)?;
    }
    Ok(())
}
