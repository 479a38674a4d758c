//! A conditional update of one record: what it sets and removes, and the status that it needs.
//!
//! The status comes from [`Step::from`], the table that the model check runs on: a condition cannot be written
//! that the check has not seen.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::record::Status;
use photo_domain::{PhotoId, Step};
use time::OffsetDateTime;

use crate::item::{self, Item};

/// An update in the making.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    conditions: Vec<String>,
    condition_values: Vec<(String, AttributeValue)>,
    sets: Vec<(String, AttributeValue)>,
    removes: Vec<&'static str>,
    adds: Vec<(&'static str, AttributeValue)>,
    due_unless_due: Option<AttributeValue>,
}

impl Change {
    /// What `step` does to the status, if its status allows it.
    pub(crate) fn step(step: Step, at: OffsetDateTime) -> Self {
        let mut change = Self::within(step.from());
        if let Some(next) = step.to() {
            change = change.set("status", text(next.as_str()));
        }
        change.set("updated_at", text(item::timestamp(at)))
    }

    /// A change that leaves the status, in one of `statuses`.
    pub(crate) fn within(statuses: &[Status]) -> Self {
        let placeholders: Vec<_> = (0..statuses.len()).map(|number| format!(":from{number}")).collect();
        let values = placeholders.iter().cloned().zip(statuses.iter().map(|status| text(status.as_str())));
        Self {
            conditions: vec![format!("#status IN ({})", placeholders.join(", "))],
            condition_values: values.collect(),
            sets: Vec::new(),
            removes: Vec::new(),
            adds: Vec::new(),
            due_unless_due: None,
        }
    }

    /// One more condition; its values' names begin with `:`.
    pub(crate) fn only_if(mut self, condition: &str, values: &[(&str, AttributeValue)]) -> Self {
        self.conditions.push(condition.to_owned());
        self.condition_values.extend(values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self
    }

    pub(crate) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.sets.push((name.to_owned(), value));
        self
    }

    pub(crate) fn set_all(mut self, attributes: Item) -> Self {
        self.sets.extend(attributes);
        self
    }

    pub(crate) fn remove(mut self, names: &[&'static str]) -> Self {
        self.removes.extend(names);
        self
    }

    /// Adds to a number or to a set.
    pub(crate) fn add(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.adds.push((name, value));
        self
    }

    /// Puts the record into the index of due records.
    pub(crate) fn due(self, photo_id: PhotoId, at: OffsetDateTime) -> Self {
        self.set("due_shard", text(item::shard(photo_id))).set("due_at", seconds(at))
    }

    /// Puts the record into the index of due records, unless it is there: the record keeps its time then.
    pub(crate) fn due_unless_due(mut self, photo_id: PhotoId, at: OffsetDateTime) -> Self {
        self.due_unless_due = Some(seconds(at));
        self.set("due_shard", text(item::shard(photo_id)))
    }

    /// As DynamoDB takes it.
    pub(crate) fn written(self) -> Written {
        let mut names = HashMap::from([("#status".to_owned(), "status".to_owned())]);
        let mut values: HashMap<_, _> = self.condition_values.into_iter().collect();
        let mut assignments = Vec::with_capacity(self.sets.len());
        for (number, (name, value)) in self.sets.into_iter().enumerate() {
            assignments.push(format!("#a{number} = :a{number}"));
            names.insert(format!("#a{number}"), name);
            values.insert(format!(":a{number}"), value);
        }
        if let Some(value) = self.due_unless_due {
            assignments.push("due_at = if_not_exists(due_at, :due_at)".to_owned());
            values.insert(":due_at".to_owned(), value);
        }
        let mut additions = Vec::with_capacity(self.adds.len());
        for (name, value) in self.adds {
            additions.push(format!("{name} :add_{name}"));
            values.insert(format!(":add_{name}"), value);
        }
        let clauses = [
            ("SET", assignments.join(", ")),
            ("REMOVE", self.removes.join(", ")),
            ("ADD", additions.join(", ")),
        ];
        let clauses = clauses.iter().filter(|(_, what)| !what.is_empty());
        let expression = clauses.map(|(word, what)| format!("{word} {what}")).collect::<Vec<_>>().join(" ");
        Written { expression, condition: self.conditions.join(" AND "), names, values }
    }
}

/// The expressions of an update, and what their placeholders stand for.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) expression: String,
    pub(crate) condition: String,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: HashMap<String, AttributeValue>,
}

pub(crate) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A time as the index sorts it and as the table's TTL wants it.
pub(crate) fn seconds(at: OffsetDateTime) -> AttributeValue {
    number(at.unix_timestamp())
}
