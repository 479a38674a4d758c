//! Files that are asked for together: one request and one transaction for up to 25.
//!
//! An idempotency key stands for a whole batch, and a later run may name other files. So the state folder remembers for a day which
//! batch a file was in. Where nothing can be remembered, each file is asked for by itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::BASE_PATH;
use crate::error::CliError;
use crate::photo::Photo;
use crate::upload::{Created, Uploader, fresh_key, key_of};

/// The most uploads that the API takes in one request.
const MAX_BATCH: usize = 25;
/// The most bytes that are asked for together: they are sent within the life of a signature, 5 minutes, over a slow line.
const MAX_BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// Photos that one request asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// The idempotency key; of a single upload its file's own.
    pub(crate) key: String,
    /// Whose photos they are.
    owner: String,
    /// What was announced of each.
    uploads: Vec<Value>,
    /// The photos, in the same order.
    photo_ids: Vec<String>,
}

/// How the API is asked for the upload of a file.
#[derive(Clone, Debug)]
pub(super) enum UploadRequest {
    /// By its own request.
    Single {
        /// The idempotency key.
        key: String,
    },
    /// By the request of a batch.
    Batched {
        /// All of them.
        batch: Arc<Batch>,
        /// Which one it is.
        index: usize,
    },
}

impl UploadRequest {
    /// As a photo that no earlier request asked for.
    pub(super) fn fresh() -> Self {
        Self::Single { key: fresh_key() }
    }
}

/// How files were asked for, by earlier runs and by this one: by the keys of the files.
#[derive(Debug, Default)]
pub(super) struct RequestHistory(HashMap<String, UploadRequest>);

impl RequestHistory {
    /// The batches of this owner.
    pub(super) fn new(batches: Vec<Batch>, api_url: &str, owner: Option<&str>) -> Self {
        let mut history = Self::default();
        for batch in batches.into_iter().filter(|batch| Some(batch.owner.as_str()) == owner) {
            history.add(&Arc::new(batch), api_url);
        }
        history
    }

    fn add(&mut self, batch: &Arc<Batch>, api_url: &str) {
        for (index, upload) in batch.uploads.iter().enumerate() {
            let ask = match batch.uploads.len() {
                1 => UploadRequest::Single { key: batch.key.clone() },
                _ => UploadRequest::Batched { batch: Arc::clone(batch), index },
            };
            self.0.insert(key_of(api_url, upload), ask);
        }
    }
}

/// Cuts the files into groups that are asked for together. A file that is sent in parts, or cannot be read, is its own group.
pub(super) fn groups(paths: Vec<PathBuf>, multipart_from_bytes: u64) -> Vec<Vec<PathBuf>> {
    let mut groups: Vec<Vec<PathBuf>> = Vec::new();
    let mut room = 0;
    for path in paths {
        let size_bytes = path.metadata().map_or(u64::MAX, |metadata| metadata.len());
        let is_alone = size_bytes >= multipart_from_bytes;
        match groups.last_mut() {
            Some(group) if !is_alone && size_bytes <= room && group.len() < MAX_BATCH => {
                group.push(path);
                room -= size_bytes;
            }
            _ => {
                groups.push(vec![path]);
                room = if is_alone { 0 } else { MAX_BATCH_BYTES.saturating_sub(size_bytes) };
            }
        }
    }
    groups
}

impl Uploader {
    /// How each of these announcements is asked for, with the answer where it has been asked for already.
    pub(super) async fn request_uploads(
        &self,
        announcements: &[Value],
    ) -> Result<Vec<(UploadRequest, Option<Created>)>, CliError> {
        let api_url = self.api.base_url();
        if self.arguments.again {
            return self.request_new_uploads(announcements).await;
        }
        // One group after the other, so that a file that is in two of them is one photo.
        let mut history = self.history.lock().await;
        let mut uploads = Vec::new();
        for announcement in announcements {
            let key = key_of(api_url, announcement);
            if let Entry::Vacant(entry) = history.0.entry(key) {
                // Until it is known to be in a batch.
                let key = entry.key().clone();
                entry.insert(UploadRequest::Single { key });
                uploads.push(announcement.clone());
            }
        }
        let mut created = HashMap::new();
        if let Some((batch, answers)) = self.create_batch(uploads, |uploads| key_of(api_url, uploads)).await?
        {
            // Without it, a later run with other files would make another photo of this one.
            let _ = self.state.remember_batch(&batch);
            history.add(&batch, api_url);
            created.insert(batch.key.clone(), Some(answers));
        }
        let request = |announcement| history.0.get(&key_of(api_url, announcement)).cloned();
        let mut requests: Vec<_> = announcements
            .iter()
            .map(|one| (request(one).unwrap_or_else(UploadRequest::fresh), None))
            .collect();
        drop(history);
        self.replay_batches(&mut requests, created).await?;
        Ok(requests)
    }

    /// Asks for new photos, whatever was asked for before.
    async fn request_new_uploads(
        &self,
        announcements: &[Value],
    ) -> Result<Vec<(UploadRequest, Option<Created>)>, CliError> {
        Ok(match self.create_batch(announcements.to_vec(), |_| fresh_key()).await? {
            None => announcements.iter().map(|_| (UploadRequest::fresh(), None)).collect(),
            Some((batch, answers)) => {
                let together = |index| UploadRequest::Batched { batch: Arc::clone(&batch), index };
                let answers = answers.into_iter().enumerate();
                answers.map(|(index, created)| (together(index), Some(created))).collect()
            }
        })
    }

    /// Asks for two uploads or more by one request; nothing if that is not possible.
    async fn create_batch(
        &self,
        uploads: Vec<Value>,
        key: impl FnOnce(&Value) -> String,
    ) -> Result<Option<(Arc<Batch>, Vec<Created>)>, CliError> {
        let Some(owner) = self.owner.clone().filter(|_| uploads.len() > 1) else { return Ok(None) };
        let key = key(&json!(uploads));
        match self.create_all(&uploads, &key).await {
            Ok(created) => {
                let photo_ids = created.iter().map(|created| created.photo_id.clone()).collect();
                Ok(Some((Arc::new(Batch { key, owner, uploads, photo_ids }), created)))
            }
            // All or none. Asked for one by one, each has its own answer.
            Err(CliError::Api(problem)) if is_about_the_uploads(problem.status, &problem.code) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds the answers: `answers` by the batch's key, and of other batches what one request for each gives.
    async fn replay_batches(
        &self,
        requests: &mut [(UploadRequest, Option<Created>)],
        mut answers: HashMap<String, Option<Vec<Created>>>,
    ) -> Result<(), CliError> {
        for (request, first) in requests {
            let UploadRequest::Batched { batch, index } = &*request else { continue };
            if !answers.contains_key(&batch.key) {
                let answer = match self.create_all(&batch.uploads, &batch.key).await {
                    Ok(created) => Some(created),
                    Err(CliError::Api(problem)) if is_about_the_uploads(problem.status, &problem.code) => {
                        None
                    }
                    Err(error) => return Err(error),
                };
                answers.insert(batch.key.clone(), answer);
            }
            let answer = answers.get(&batch.key).and_then(|answer| answer.as_ref()?.get(*index).cloned());
            *first = match answer {
                Some(created) => Some(created),
                // A photo of the batch was deleted.
                None => self.find_member(batch, *index).await?,
            };
            if first.is_none() {
                *request = UploadRequest::fresh();
            }
        }
        Ok(())
    }

    /// Asks for an upload; nothing if what was asked for before is gone.
    pub(super) async fn request_upload(
        &self,
        request: &UploadRequest,
        announcement: &Value,
    ) -> Result<Option<Created>, CliError> {
        match request {
            UploadRequest::Single { key } => {
                let created = self.create(announcement, key).await?;
                self.remember_single(key, announcement, created.as_ref());
                Ok(created)
            }
            UploadRequest::Batched { batch, index } => {
                match self.create_all(&batch.uploads, &batch.key).await {
                    Ok(created) => Ok(created.into_iter().nth(*index)),
                    Err(CliError::Api(problem)) if is_about_the_uploads(problem.status, &problem.code) => {
                        self.find_member(batch, *index).await
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// The photo of a batch's member whose bytes S3 has; nothing if a new photo must take its place. The photo that is replaced is not
    /// deleted: `pending` does not say that no bytes came, and a record without bytes expires.
    async fn find_member(&self, batch: &Batch, index: usize) -> Result<Option<Created>, CliError> {
        let Some(photo_id) = batch.photo_ids.get(index) else { return Ok(None) };
        let photo = match Photo::get(&self.api, photo_id).await {
            Ok(photo) => photo,
            Err(CliError::Api(problem)) if problem.status == 404 => return Ok(None),
            Err(error) => return Err(error),
        };
        let status = match photo.status() {
            "pending" if self.state.is_acknowledged(&batch.key, index) => "uploaded",
            status @ ("ready" | "failed") => status,
            _ => return Ok(None),
        };
        Ok(Some(Created { photo_id: photo_id.clone(), status: status.to_owned(), upload: None }))
    }

    /// Remembers that S3 has acknowledged the bytes of a batch's member.
    pub(super) fn acknowledge(&self, request: &UploadRequest) {
        if let UploadRequest::Batched { batch, index } = request
            && !self.arguments.again
        {
            // Without it, a later run sends the file as another photo if one of the batch was deleted.
            let _ = self.state.acknowledge(&batch.key, *index);
        }
    }

    /// Asks for several uploads, all or none, and gives an answer for each.
    async fn create_all(&self, uploads: &[Value], key: &str) -> Result<Vec<Created>, CliError> {
        #[derive(Deserialize)]
        struct Answer {
            uploads: Vec<Created>,
        }
        let body = json!({ "uploads": uploads });
        let path = format!("{BASE_PATH}/uploads");
        let headers = [("idempotency-key", key)];
        let expected = [StatusCode::CREATED, StatusCode::OK];
        let reply = self.api.expect(Method::POST, &path, &headers, Some(&body), &expected).await?;
        let answer: Answer = reply.json()?;
        if answer.uploads.len() == uploads.len() {
            Ok(answer.uploads)
        } else {
            let count = answer.uploads.len();
            Err(CliError::Answer(format!("{count} uploads for {} files", uploads.len())))
        }
    }

    /// Remembers a file that was asked for alone, so that no later batch asks for it again.
    fn remember_single(&self, key: &str, announcement: &Value, created: Option<&Created>) {
        // A file in parts never is in a batch.
        let is_batched = announcement.get("upload_method").is_none() && !self.arguments.again;
        let (Some(created), Some(owner), true) = (created, &self.owner, is_batched) else { return };
        let _ = self.state.remember_batch(&Batch {
            key: key.to_owned(),
            owner: owner.clone(),
            uploads: vec![announcement.clone()],
            photo_ids: vec![created.photo_id.clone()],
        });
    }
}

/// Whether a refusal is of what is asked for. A service that is busy says nothing of it.
fn is_about_the_uploads(status: u16, code: &str) -> bool {
    code == "QUOTA_EXCEEDED" || ((400..500).contains(&status) && status != 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_grouped_by_number_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, size: u64| {
            let path = folder.path().join(name);
            std::fs::File::create(&path).unwrap().set_len(size).unwrap();
            path
        };
        let sizes = |paths: Vec<PathBuf>| -> Vec<usize> {
            groups(paths, 8 << 20).into_iter().map(|group| group.len()).collect()
        };
        let small: Vec<_> = (0..60).map(|at| file(&format!("{at}"), 10)).collect();
        assert_eq!(sizes(small.clone()), [25, 25, 10]);
        let mixed =
            vec![file("a", 5 << 20), file("b", 3 << 20), file("c", 1), file("d", 9 << 20), file("e", 1)];
        assert_eq!(sizes(mixed), [2, 1, 1, 1]);
        assert_eq!(sizes(vec![small[0].clone(), folder.path().join("none"), small[1].clone()]), [1, 1, 1]);
        assert!(sizes(Vec::new()).is_empty());
    }

    #[test]
    fn a_remembered_batch_is_found_by_its_owner_and_api_alone() {
        let uploads = vec![json!({ "file_name": "a" }), json!({ "file_name": "b" })];
        let photo_ids = vec!["1".to_owned(), "2".to_owned()];
        let batch = Batch { key: "k".to_owned(), owner: "jane".to_owned(), uploads, photo_ids };
        let key = key_of("http://a", &json!({ "file_name": "b" }));
        let find = |api: &str, owner: Option<&str>| {
            RequestHistory::new(vec![batch.clone()], api, owner).0.contains_key(&key)
        };
        assert!(find("http://a", Some("jane")));
        assert!(!find("http://b", Some("jane")) && !find("http://a", Some("joe")) && !find("http://a", None));
    }

    #[test]
    fn a_busy_service_says_nothing_of_the_uploads() {
        for (status, code, expected) in [
            (400, "INVALID_REQUEST", true),
            (409, "IDEMPOTENCY_CONFLICT", true),
            (413, "TOO_LARGE", true),
            (429, "QUOTA_EXCEEDED", true),
            (429, "TOO_MANY_REQUESTS", false),
            (503, "UNAVAILABLE", false),
        ] {
            assert_eq!(is_about_the_uploads(status, code), expected, "{code}");
        }
    }
}
