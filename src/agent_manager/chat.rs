//! Messages about projects and tasks, and the answers to them.

use super::{
    Limits,
    enums::*,
    error::{AgentError, Result, not_empty},
    internal::ai_responses::{ExpireAnswer, Respond, settle},
    lists::{LISTED, bounded},
    schema::*,
};
use crate::{Retry, prelude::*};

functions! {
    /// The functions of messages.
    pub module ChatFunctions;

    /// The last messages about a project, oldest first.
    pub query ListProjectMessages in "chat:listByProject" {
        project_id: Id<Project>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<ChatMessage>> |tx| {
        let last = tx.query(ChatMessage::by_project).eq(Some(project_id)).descending().take(bounded(limit)).collect()?;
        Ok(last.into_iter().rev().collect())
    }

    /// The last messages about a task, oldest first.
    pub query ListTaskMessages in "chat:listByTask" {
        task_id: Id<Task>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<ChatMessage>> |tx| {
        let last = tx.query(ChatMessage::by_task).eq(Some(task_id)).descending().take(bounded(limit)).collect()?;
        Ok(last.into_iter().rev().collect())
    }

    /// Writes a user's message and has it answered: the answer waits as a pending message, and an action is scheduled
    /// that fills it. Says which message the answer is.
    pub mutation SendMessage in "chat:send" {
        /// About which project; if none, about a task.
        project_id: Option<Id<Project>>,
        /// About which task; if none, about a project.
        task_id: Option<Id<Task>>,
        text: String,
    } -> Result<Id<ChatMessage>, AgentError> = send;

    /// Writes a message that nobody answers, as a user or as the program.
    pub mutation PostMessage in "chat:post" {
        project_id: Option<Id<Project>>,
        task_id: Option<Id<Task>>,
        text: String,
        author: ChatAuthor = ChatAuthor::System,
    } -> Result<Id<ChatMessage>, AgentError> |tx| {
        if author == ChatAuthor::Ai {
            let (given, bounds) = (author.to_string(), "user or system: who answers is asked by `chat:send`");
            return Err(AgentError::OutOfBounds { field: "author", given, bounds });
        }
        write(tx, (project_id, task_id), author, text, None)
    }

    /// Has a message answered again whose answer has failed.
    pub mutation RetryAnswer in "chat:retry" {
        /// The answer.
        id: Id<ChatMessage>,
    } -> Result<(), AgentError> |tx| {
        let mut was_failed = false;
        tx.patch(id, |message: &mut ChatMessage| {
            was_failed = message.author == ChatAuthor::Ai && message.status == ChatStatus::Failed;
            if was_failed {
                message.status = ChatStatus::Pending;
                message.text.clear();
                message.round = message.round.saturating_add(1);
            }
        })?;
        if was_failed { ask(tx, id) } else { Ok(()) }
    }

    /// Deletes a message. Answers to it stay; one that is awaited will not come.
    pub mutation DeleteMessage in "chat:delete" { id: Id<ChatMessage> } -> () |tx| {
        for answer in tx.query(ChatMessage::by_reply_to).eq(Some(id)).collect()? {
            settle(tx, answer.id(), answer.round, ChatStatus::Failed, "the question was deleted".to_owned())?;
        }
        tx.delete(id)
    }
}

fn send(tx: &mut WriteTx, arguments: &SendMessage) -> Result<Id<ChatMessage>> {
    let SendMessage { project_id, task_id, text } = arguments.clone();
    let target = (project_id, task_id);
    let question = write(tx, target, ChatAuthor::User, text, None)?;
    let answer = tx.insert(ChatMessage {
        project_id,
        task_id,
        author: ChatAuthor::Ai,
        text: String::new(),
        status: ChatStatus::Pending,
        reply_to: Some(question),
        round: 0,
    })?;
    ask(tx, answer)?;
    Ok(answer)
}

fn write(
    tx: &mut WriteTx,
    (project_id, task_id): (Option<Id<Project>>, Option<Id<Task>>),
    author: ChatAuthor,
    text: String,
    reply_to: Option<Id<ChatMessage>>,
) -> Result<Id<ChatMessage>> {
    not_empty("text", &text)?;
    match (project_id, task_id) {
        (Some(project), None) => drop(tx.existing(project)?),
        (None, Some(task)) => drop(tx.existing(task)?),
        (None, None) | (Some(_), Some(_)) => return Err(AgentError::MessageTarget),
    }
    let status = ChatStatus::Complete;
    Ok(tx.insert(ChatMessage { project_id, task_id, author, text, status, reply_to, round: 0 })?)
}

/// Has somebody fill an answer, and somebody else give it up if that never comes about.
fn ask(tx: &mut WriteTx, answer: Id<ChatMessage>) -> Result<()> {
    let limits = Limits::of(tx);
    let retry = Retry::attempts(limits.answer_attempts);
    let round = tx.get(answer)?.map_or(0, |answer| answer.round);
    tx.schedule().retrying(retry).now(Respond { id: answer, round })?;
    tx.schedule().after(limits.answer_limit, ExpireAnswer { id: answer, round })?;
    Ok(())
}
