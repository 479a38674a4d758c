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
    let (route, allow) = match path {
        "/health" => (Route::Health, Method::GET),
        "/health/ready" => (Route::Ready, Method::GET),
        _ => match path.strip_prefix(BASE_PATH).and_then(|rest| rest.strip_prefix('/')) {
            Some("upload") => (Route::CreateUpload, Method::POST),
            Some(photo_id) if !photo_id.is_empty() && !photo_id.contains('/') => {
                (Route::GetPhoto(photo_id), Method::GET)
            }
            _ => return Err(NoRoute::Path),
        },
    };
    if *method == allow {
        return Ok(route);
    }
    Err(NoRoute::Method { allow: if allow == Method::POST { "POST" } else { "GET" } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_method_and_path() {
        let cases = [
            (Method::POST, "/api/v4/photo/upload", Ok(Route::CreateUpload)),
            (Method::GET, "/api/v4/photo/abc", Ok(Route::GetPhoto("abc"))),
            (Method::GET, "/health", Ok(Route::Health)),
            (Method::GET, "/health/ready", Ok(Route::Ready)),
            (Method::GET, "/api/v4/photo/upload", Err(NoRoute::Method { allow: "POST" })),
            (Method::PUT, "/api/v4/photo/abc", Err(NoRoute::Method { allow: "GET" })),
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
