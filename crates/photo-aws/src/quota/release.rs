//! What a photo's end gives back to its owner's day, and what a late arrival takes again.

use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use photo_domain::OriginalKey;
use photo_domain::quota::{Release, day};
use photo_domain::record::Status;

use super::{OPERATION, QUOTA_DAY, QUOTA_RETURNED, codes, refused};
use crate::AwsError;
use crate::change::Change;
use crate::store::{Changed, PhotoStore, photo_key};

impl PhotoStore {
    /// Makes a change by which a record is pending no more, and gives back what it held, in one transaction. What a
    /// record that holds nothing needs is the change alone.
    pub(crate) async fn change_and_release(
        &self,
        key: &OriginalKey,
        change: Change,
        release: Release,
    ) -> Result<Changed, AwsError> {
        if !self.gives_back(release) {
            return self.change(key, change).await;
        }
        let mut held = if_held(change.clone(), key).remove(&[QUOTA_DAY]);
        if let Release::Everything { size_bytes } = release {
            held = held.set(QUOTA_RETURNED, AttributeValue::N(size_bytes.to_string()));
        }
        let write = self.as_write(key, held)?;
        if self.release_with(key, write, release).await? {
            return Ok(Changed::Applied);
        }
        self.change(key, change).await
    }

    /// Makes the change of a photo whose bytes have come. What had expired and given everything back is counted again
    /// in one transaction with the change.
    pub(crate) async fn change_of_arrived(
        &self,
        key: &OriginalKey,
        change: Change,
    ) -> Result<Changed, AwsError> {
        if self.quotas.are_off() {
            return self.change(key, change).await;
        }
        let counted = change.clone().only_if(&format!("attribute_not_exists({QUOTA_RETURNED})"), &[]);
        let changed = self.change_and_release(key, counted, Release::Slot).await?;
        if changed != Changed::Refused(Some(Status::Expired)) {
            return Ok(changed);
        }
        let item = self.get_item(key).await?;
        let returned = item.and_then(|item| item.get(QUOTA_RETURNED).cloned());
        if let Some(AttributeValue::N(size_bytes)) = returned {
            let condition = format!("{QUOTA_RETURNED} = :returned");
            let value = [(":returned", AttributeValue::N(size_bytes.clone()))];
            let write = change.clone().only_if(&condition, &value).remove(&[QUOTA_RETURNED]);
            let count_again = self
                .count(&key.owner, day(key.photo_id))
                .update_expression(
                    "SET expires_at = if_not_exists(expires_at, :expires) ADD #photos :photos, #bytes :bytes",
                )
                .expression_attribute_names("#photos", "photos")
                .expression_attribute_names("#bytes", "bytes")
                .expression_attribute_values(":photos", AttributeValue::N("1".to_owned()))
                .expression_attribute_values(":bytes", AttributeValue::N(size_bytes))
                .build()
                .map_err(|error| AwsError::new(OPERATION, error))?;
            if self.both(self.as_write(key, write)?, count_again).await? {
                return Ok(Changed::Applied);
            }
        }
        self.change(key, change).await
    }

    fn as_write(&self, key: &OriginalKey, change: Change) -> Result<TransactWriteItem, AwsError> {
        let written = change.written();
        let update = Update::builder()
            .table_name(&self.table_name)
            .set_key(Some(photo_key(key)))
            .update_expression(written.expression)
            .condition_expression(written.condition)
            .set_expression_attribute_names(Some(written.names))
            .set_expression_attribute_values(Some(written.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| AwsError::new(OPERATION, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Removes a record by a transaction that gives back what it still holds; false if it holds nothing.
    pub(crate) async fn remove_and_release(
        &self,
        key: &OriginalKey,
        change: &Change,
    ) -> Result<bool, AwsError> {
        if !self.gives_back(Release::Slot) {
            return Ok(false);
        }
        let written = if_held(change.clone(), key).written();
        let delete = Delete::builder()
            .table_name(&self.table_name)
            .set_key(Some(photo_key(key)))
            .condition_expression(written.condition)
            .set_expression_attribute_names(Some(written.names))
            .set_expression_attribute_values(Some(written.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| AwsError::new(OPERATION, error))?;
        self.release_with(key, TransactWriteItem::builder().delete(delete).build(), Release::Slot).await
    }

    fn gives_back(&self, release: Release) -> bool {
        match release {
            Release::Slot => self.quotas.pending != 0,
            Release::Everything { .. } => !self.quotas.are_off(),
        }
    }

    /// Whether both were written. If not, nothing was: the record holds nothing, or is not in a status for it; the write
    /// alone says which.
    async fn release_with(
        &self,
        key: &OriginalKey,
        write: TransactWriteItem,
        release: Release,
    ) -> Result<bool, AwsError> {
        let release = self.release(key, release)?;
        self.both(write, release).await
    }

    /// Writes a record's change with its counter's; false if the record is not as the change needs it.
    async fn both(&self, write: TransactWriteItem, counter: Update) -> Result<bool, AwsError> {
        let counter = TransactWriteItem::builder().update(counter).build();
        match self.transact(vec![write, counter], Some(1)).await? {
            None => Ok(true),
            Some(reasons) if refused(&reasons, 0).is_some() => Ok(false),
            Some(reasons) => Err(AwsError::new(OPERATION, format!("cancelled: {}", codes(&reasons)))),
        }
    }

    /// What gives back to an owner's day; for the transaction that takes a record out of `pending`, and only there.
    pub fn release(&self, key: &OriginalKey, release: Release) -> Result<Update, AwsError> {
        let mut takes = Vec::new();
        // While slots are not limited nobody counts them. A limit that comes or goes in the middle of a day leaves
        // that day's count off by the photos in flight; below nothing is read as nothing, and the next day is right.
        if self.quotas.pending != 0 {
            takes.push(("pending", 1));
        }
        if let Release::Everything { size_bytes } = release {
            takes.extend([("photos", 1), ("bytes", size_bytes)]);
        }
        let sums: Vec<_> = takes.iter().map(|(name, _)| format!("#{name} :{name}")).collect();
        // A counter that has expired comes back with what expires it again.
        let expires = "SET expires_at = if_not_exists(expires_at, :expires)";
        let expression =
            if sums.is_empty() { expires.to_owned() } else { format!("{expires} ADD {}", sums.join(", ")) };
        takes
            .into_iter()
            .fold(self.count(&key.owner, day(key.photo_id)), |update, (name, amount)| {
                update
                    .expression_attribute_names(format!("#{name}"), name)
                    .expression_attribute_values(format!(":{name}"), AttributeValue::N(format!("-{amount}")))
            })
            .update_expression(expression)
            .build()
            .map_err(|error| AwsError::new(OPERATION, error))
    }
}

/// The change of a record that still holds what it was counted for; the write that gives it back removes the attribute.
fn if_held(change: Change, key: &OriginalKey) -> Change {
    let counted_for = AttributeValue::S(day(key.photo_id).to_string());
    change.only_if("quota_day = :quota_day", &[(":quota_day", counted_for)])
}
