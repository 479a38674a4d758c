//! Which route a request is for.

use http::Method;

/// The path below which the photo API lives.
pub const BASE_PATH: &str = "/api/v4/photo";

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `POST /api/v4/photo/upload`
    CreateUpload,
    /// `POST /api/v4/photo/uploads`
    CreateUploads,
    /// `POST /api/v4/photo/{photo_id}/sign`, the id not yet checked.
    Sign(&'a str),
    /// `POST /api/v4/photo/uppy/sign`
    SignForUppy,
    /// `GET /api/v4/photo`
    ListPhotos,
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
    /// One of every kind; `docs/openapi.yaml` and `template.yaml` have the same.
    pub const ALL: [Route<'static>; 9] = [
        Route::CreateUpload,
        Route::CreateUploads,
        Route::Sign(""),
        Route::SignForUppy,
        Route::ListPhotos,
        Route::GetPhoto(""),
        Route::DeletePhoto(""),
        Route::Health,
        Route::Ready,
    ];

    /// The route's name in logs: constant, so that logs can be grouped by it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateUpload => "POST /api/v4/photo/upload",
            Self::CreateUploads => "POST /api/v4/photo/uploads",
            Self::Sign(_) => "POST /api/v4/photo/{photo_id}/sign",
            Self::SignForUppy => "POST /api/v4/photo/uppy/sign",
            Self::ListPhotos => "GET /api/v4/photo",
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
    let only = |allowed: Method, allow, route| {
        if *method == allowed { Ok(route) } else { Err(NoRoute::Method { allow }) }
    };
    let get = |route| only(Method::GET, "GET", route);
    let post = |route| only(Method::POST, "POST", route);
    match path {
        "/health" => return get(Route::Health),
        "/health/ready" => return get(Route::Ready),
        BASE_PATH => return get(Route::ListPhotos),
        _ => {}
    }
    let below = path.strip_prefix(BASE_PATH).and_then(|rest| rest.strip_prefix('/')).ok_or(NoRoute::Path)?;
    match below.split_once('/') {
        None if below.is_empty() => get(Route::ListPhotos),
        None if below == "upload" => post(Route::CreateUpload),
        None if below == "uploads" => post(Route::CreateUploads),
        None => match *method {
            Method::GET => Ok(Route::GetPhoto(below)),
            Method::DELETE => Ok(Route::DeletePhoto(below)),
            _ => Err(NoRoute::Method { allow: "GET, DELETE" }),
        },
        Some(("uppy", "sign")) => post(Route::SignForUppy),
        Some((photo_id, "sign")) if !photo_id.is_empty() => post(Route::Sign(photo_id)),
        Some(_) => Err(NoRoute::Path),
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
            (Method::GET, "/api/v4/photo", Ok(Route::ListPhotos)),
            (Method::GET, "/api/v4/photo/", Ok(Route::ListPhotos)),
            (Method::POST, "/api/v4/photo", Err(NoRoute::Method { allow: "GET" })),
            (Method::POST, "/api/v4/photo/uploads", Ok(Route::CreateUploads)),
            (Method::POST, "/api/v4/photo/abc/sign", Ok(Route::Sign("abc"))),
            (Method::POST, "/api/v4/photo/uppy/sign", Ok(Route::SignForUppy)),
            (Method::GET, "/api/v4/photo/abc/sign", Err(NoRoute::Method { allow: "POST" })),
            (Method::POST, "/api/v4/photo//sign", Err(NoRoute::Path)),
            (Method::POST, "/api/v4/photo/a/sign/b", Err(NoRoute::Path)),
            (Method::GET, "/api/v4/photo/a/b", Err(NoRoute::Path)),
            (Method::GET, "/api/v4/photos", Err(NoRoute::Path)),
        ];
        for (method, path, expected) in cases {
            assert_eq!(route(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn every_name_leads_to_its_route() {
        for known in Route::ALL {
            let (method, path) = known.name().split_once(' ').unwrap();
            let path = path.replace("{photo_id}", "abc");
            let found = route(&method.parse().unwrap(), &path).unwrap();
            assert_eq!(found.name(), known.name());
        }
    }
}
