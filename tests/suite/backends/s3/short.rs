//! s3s-fs with keys as long as ours: it keeps records in files that are named by the whole key, and 255 characters
//! are not enough for two digests. So digests are cut in half on the way in, and made whole on the way out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopySource,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput,
    DeleteObjectsInput, DeleteObjectsOutput, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsV2Input,
    ListObjectsV2Output, MultipartUpload, PutObjectInput, PutObjectOutput, UploadPartCopyInput,
    UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;

const WHOLE: usize = 64;
const HALF: usize = 32;

/// A multipart upload that did not end, as a listing shows it: its key, its id, and since when.
pub type Unfinished = (String, String, SystemTime);

pub struct Short {
    inner: FileSystem,
    /// What a listing of multipart uploads says. Without it there is no such listing, as in s3s-fs.
    pub unfinished: Arc<Mutex<Option<Vec<Unfinished>>>>,
    /// Whether the next end of a multipart upload is carried out, and answered with an error.
    pub lose_an_end: Arc<AtomicBool>,
    whole: Mutex<HashMap<String, String>>,
}

impl Short {
    pub fn over(inner: FileSystem) -> Self {
        Self {
            inner,
            unfinished: Arc::default(),
            lose_an_end: Arc::default(),
            whole: Mutex::default(),
        }
    }

    /// Replaces every run of so many hexadecimal digits.
    fn replace(key: &str, length: usize, with: impl Fn(&str) -> String) -> String {
        let mut replaced = String::new();
        for part in key.split_inclusive(['/', '-']) {
            let digits = part.trim_end_matches(['/', '-']);
            if digits.len() == length && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                replaced.push_str(&with(digits));
                replaced.push_str(&part[digits.len()..]);
            } else {
                replaced.push_str(part);
            }
        }
        replaced
    }

    fn cut(&self, key: &mut String) {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let digests = std::cell::RefCell::new(&mut *whole);
        *key = Self::replace(key, WHOLE, |digest| {
            let half = digest[..HALF].to_owned();
            digests.borrow_mut().insert(half.clone(), digest.to_owned());
            half
        });
    }

    fn mend(&self, key: &mut String) {
        let whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        *key = Self::replace(key, HALF, |half| {
            whole.get(half).map_or(half, String::as_str).to_owned()
        });
    }

    fn cut_source(&self, source: &mut CopySource) {
        if let CopySource::Bucket { key, .. } = source {
            let mut cut = key.to_string();
            self.cut(&mut cut);
            *key = cut.into();
        }
    }
}

/// What S3 says to whoever names an upload that is not there; s3s-fs says that it may not be used.
fn no_such_upload(error: S3Error) -> S3Error {
    match error.code() {
        S3ErrorCode::AccessDenied => s3s::s3_error!(NoSuchUpload),
        _ => error,
    }
}

/// Calls with a key, and nothing of it in the answer.
macro_rules! by_key {
    ($($call:ident: $input:ty => $output:ty),+ $(,)?) => {
        #[async_trait::async_trait]
        impl S3 for Short {
            $(async fn $call(&self, mut request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.cut(&mut request.input.key);
                self.inner.$call(request).await
            })+

            async fn copy_object(
                &self,
                mut request: S3Request<CopyObjectInput>,
            ) -> S3Result<S3Response<CopyObjectOutput>> {
                self.cut(&mut request.input.key);
                self.cut_source(&mut request.input.copy_source);
                self.inner.copy_object(request).await
            }

            async fn upload_part_copy(
                &self,
                mut request: S3Request<UploadPartCopyInput>,
            ) -> S3Result<S3Response<UploadPartCopyOutput>> {
                self.cut(&mut request.input.key);
                self.cut_source(&mut request.input.copy_source);
                self.inner.upload_part_copy(request).await
            }

            async fn delete_objects(
                &self,
                mut request: S3Request<DeleteObjectsInput>,
            ) -> S3Result<S3Response<DeleteObjectsOutput>> {
                for object in &mut request.input.delete.objects {
                    self.cut(&mut object.key);
                }
                let mut response = self.inner.delete_objects(request).await?;
                for deleted in response.output.deleted.iter_mut().flatten() {
                    deleted.key.iter_mut().for_each(|key| self.mend(key));
                }
                Ok(response)
            }

            async fn complete_multipart_upload(
                &self,
                mut request: S3Request<CompleteMultipartUploadInput>,
            ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
                self.cut(&mut request.input.key);
                let ended = self.inner.complete_multipart_upload(request).await;
                if self.lose_an_end.swap(false, Ordering::Relaxed) {
                    return Err(s3s::s3_error!(InternalError));
                }
                ended.map_err(no_such_upload)
            }

            async fn abort_multipart_upload(
                &self,
                mut request: S3Request<AbortMultipartUploadInput>,
            ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
                self.cut(&mut request.input.key);
                let given_up = self.inner.abort_multipart_upload(request).await;
                given_up.map_err(no_such_upload)
            }

            async fn list_multipart_uploads(
                &self,
                request: S3Request<ListMultipartUploadsInput>,
            ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
                let unfinished = self.unfinished.lock().unwrap();
                let Some(all) = unfinished.as_ref() else {
                    return Err(s3s::s3_error!(NotImplemented));
                };
                let prefix = request.input.prefix.unwrap_or_default();
                let ours = all.iter().filter(|(key, _, _)| key.starts_with(&prefix));
                let ours = ours.map(|(key, id, since)| MultipartUpload {
                    key: Some(key.clone()),
                    upload_id: Some(id.clone()),
                    initiated: Some((*since).into()),
                    ..MultipartUpload::default()
                });
                Ok(S3Response::new(ListMultipartUploadsOutput {
                    is_truncated: Some(false),
                    uploads: Some(ours.collect()),
                    ..ListMultipartUploadsOutput::default()
                }))
            }

            async fn list_objects_v2(
                &self,
                mut request: S3Request<ListObjectsV2Input>,
            ) -> S3Result<S3Response<ListObjectsV2Output>> {
                request.input.prefix.iter_mut().for_each(|it| self.cut(it));
                request.input.start_after.iter_mut().for_each(|it| self.cut(it));
                let mut response = self.inner.list_objects_v2(request).await?;
                let output = &mut response.output;
                for object in output.contents.iter_mut().flatten() {
                    object.key.iter_mut().for_each(|key| self.mend(key));
                }
                for common in output.common_prefixes.iter_mut().flatten() {
                    common.prefix.iter_mut().for_each(|key| self.mend(key));
                }
                Ok(response)
            }
        }
    };
}

by_key! {
    put_object: PutObjectInput => PutObjectOutput,
    get_object: GetObjectInput => GetObjectOutput,
    head_object: HeadObjectInput => HeadObjectOutput,
    delete_object: DeleteObjectInput => DeleteObjectOutput,
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput,
    upload_part: UploadPartInput => UploadPartOutput,
}
