//! Which route a request is for.

use http::Method;

/// The path below which the photo API lives.
pub const BASE_PATH: &str = "/api/v4/photo";

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `POST /api/v4/photo/upload`
    CreateUpload,
    /// `GET /api/v4/photo/{photo_id}`, the id not yet checked.
    GetPhoto(&'a str),
    /// `DELETE /api/v4/photo/{photo_id}`, the id not yet checked.
    DeletePhoto(&'a str),
    /// `GET /health`
    Health,
    /// `GET /health/ready`
    Ready,
}

impl Route<'_> {
    /// The route's name in logs: constant, so that logs can be grouped by it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateUpload => "POST /api/v4/photo/upload",
            Self::GetPhoto(_) => "GET /api/v4/photo/{photo_id}",
            Self::DeletePhoto(_) => "DELETE /api/v4/photo/{photo_id}",
            Self::Health => "GET /health",
            Self::Ready => "GET /health/ready",
        }
    }
}

/// Why no route serves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// Nothing is at the path.
    Path,
    /// The path takes another method.
    Method {
        /// The one that it takes.
        allow: &'static str,
    },
}

/// Finds the route of a request.
pub fn route<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, NoRoute> {
    let get = |route| if method == Method::GET { Ok(route) } else { Err(NoRoute::Method { allow: "GET" }) };
    match path {
        "/health" => get(Route::Health),
        "/health/ready" => get(Route::Ready),
        _ => match path.strip_prefix(BASE_PATH).and_then(|rest| rest.strip_prefix('/')) {
            Some("upload") if method == Method::POST => Ok(Route::CreateUpload),
            Some("upload") => Err(NoRoute::Method { allow: "POST" }),
            Some(photo_id) if !photo_id.is_empty() && !photo_id.contains('/') => match *method {
                Method::GET => Ok(Route::GetPhoto(photo_id)),
                Method::DELETE => Ok(Route::DeletePhoto(photo_id)),
                _ => Err(NoRoute::Method { allow: "GET, DELETE" }),
            },
            _ => Err(NoRoute::Path),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_method_and_path() {
        let cases = [
            (Method::POST, "/api/v4/photo/upload", Ok(Route::CreateUpload)),
            (Method::GET, "/api/v4/photo/abc", Ok(Route::GetPhoto("abc"))),
            (Method::DELETE, "/api/v4/photo/abc", Ok(Route::DeletePhoto("abc"))),
            (Method::GET, "/health", Ok(Route::Health)),
            (Method::GET, "/health/ready", Ok(Route::Ready)),
            (Method::GET, "/api/v4/photo/upload", Err(NoRoute::Method { allow: "POST" })),
            (Method::DELETE, "/api/v4/photo/upload", Err(NoRoute::Method { allow: "POST" })),
            (Method::PUT, "/api/v4/photo/abc", Err(NoRoute::Method { allow: "GET, DELETE" })),
            (Method::POST, "/health", Err(NoRoute::Method { allow: "GET" })),
            (Method::GET, "/", Err(NoRoute::Path)),
            (Method::GET, "/api/v4/photo", Err(NoRoute::Path)),
            (Method::GET, "/api/v4/photo/", Err(NoRoute::Path)),
            (Method::GET, "/api/v4/photo/a/b", Err(NoRoute::Path)),
            (Method::GET, "/api/v4/photos", Err(NoRoute::Path)),
        ];
        for (method, path, expected) in cases {
            assert_eq!(route(&method, path), expected, "{method} {path}");
        }
    }
}
