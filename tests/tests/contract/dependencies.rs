//! Who may depend on what: the promise that the request path cannot make a thumbnail.

use std::collections::BTreeSet;
use std::process::Command;

use photodrop_tests::stack::root;

/// Every package that is linked into `package`.
fn linked(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--package", package])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names: BTreeSet<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    assert!(names.contains(package), "{names:?}");
    names
}

fn assert_none(package: &str, forbidden: &[&str]) {
    let linked = linked(package);
    let found: Vec<_> = linked
        .iter()
        .filter(|name| {
            forbidden.iter().any(|word| name.as_str() == *word || name.starts_with(&format!("{word}-")))
        })
        .collect();
    assert!(found.is_empty(), "{package} depends on {found:?}");
}

#[test]
fn the_upload_function_holds_no_image_code() {
    assert_none(
        "upload",
        &[
            "photo-imaging",
            "thumbnail",
            "image",
            "zune",
            "png",
            "gif",
            "webp",
            "libwebp",
            "jpeg",
            "mozjpeg",
            "turbojpeg",
            "fast_image_resize",
            "moxcms",
            "thumbhash",
            "ravif",
            "tiff",
        ],
    );
    // The check itself can see image code where there is some.
    assert!(linked("thumbnail").contains("image"));
}

#[test]
fn the_upload_function_can_neither_announce_nor_queue() {
    assert_none("upload", &["aws-sdk-eventbridge", "aws-sdk-sqs"]);
    // The check itself can see them where they are.
    for package in ["thumbnail", "reconcile"] {
        assert!(
            linked(package).is_superset(&["aws-sdk-eventbridge", "aws-sdk-sqs"].map(str::to_owned).into())
        );
    }
}

#[test]
fn no_function_links_what_operators_call_aws_with() {
    let operators =
        ["aws-config", "aws-sdk-cognitoidentityprovider", "aws-sdk-lambda", "aws-sdk-signin", "aws-sdk-sso"];
    for package in ["upload", "thumbnail", "reconcile"] {
        assert_none(package, &operators);
    }
    assert!(linked("photodrop-cli").is_superset(&operators.map(str::to_owned).into()));
}

#[test]
fn the_reconcile_function_holds_no_image_code() {
    assert_none("reconcile", &["photo-imaging", "thumbnail", "image"]);
}

#[test]
fn the_domain_and_the_imaging_know_no_aws_and_no_runtime() {
    for package in ["photo-domain", "photo-imaging"] {
        assert_none(
            package,
            &["aws", "tokio", "hyper", "reqwest", "lambda_runtime", "lambda_http", "aws_lambda_events"],
        );
    }
}

#[test]
fn one_crate_alone_names_an_aws_sdk() {
    let folders = ["crates", "functions"].map(|folder| root().join(folder));
    let manifests = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let naming: Vec<String> = manifests
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            std::fs::read_to_string(path.join("Cargo.toml")).is_ok_and(|text| text.contains("aws-sdk-"))
        })
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(naming, ["photo-aws"]);
}
