//! Where an operator's credentials come from: each kind of profile that the AWS CLI writes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use serde_json::json;

use super::server::{Asked, Server};
use super::{Cli, stderr};

const CONFIG: &str = "\
[profile sso]
sso_session = photodrop
sso_account_id = 123456789012
sso_role_name = AdministratorAccess
[sso-session photodrop]
sso_region = eu-west-1
sso_start_url = https://photodrop.awsapps.com/start
sso_registration_scopes = sso:account:access
[profile sso-without-session]
sso_region = eu-west-1
sso_start_url = https://photodrop.awsapps.com/start
sso_account_id = 123456789012
sso_role_name = AdministratorAccess
[profile login]
login_session = arn:aws:iam::123456789012:user/Admin
[profile process]
credential_process = PROCESS
[profile keys]
aws_access_key_id = AKIDKEYS
aws_secret_access_key = secret
[profile role]
role_arn = arn:aws:iam::123456789012:role/Operator
source_profile = process
[profile nested-sso]
role_arn = arn:aws:iam::123456789012:role/Operator
source_profile = sso
";

/// Names of files below the home folder: the SHA-1 of the session's name and of the start URL, the SHA-256 of the session's ARN.
const SSO_CACHE: [&str; 2] = [
    ".aws/sso/cache/bbab13816fbab6c7ca9872dd5e8740907b872cae.json",
    ".aws/sso/cache/62caa3557c3a01d21f79e3a4b2ef8a1d93317855.json",
];
const LOGIN_CACHE: &str =
    ".aws/login/cache/10cabd19777b6651ac57333b55c7c10a1242b1c2337f40e674926d7324698347.json";
const FOR_EVER: &str = "2999-01-01T00:00:00Z";
const YEAR_2999_MILLISECONDS: u64 = 32_472_144_000_000;

/// The portal of Identity Center, STS, and Lambda.
fn aws(asked: &Asked, _: &str) -> (u16, Vec<u8>) {
    if asked.target.starts_with("/federation/credentials") {
        let credentials = json!({ "accessKeyId": "AKIDSSO", "secretAccessKey": "secret", "sessionToken": "session",
            "expiration": YEAR_2999_MILLISECONDS });
        return (200, json!({ "roleCredentials": credentials }).to_string().into_bytes());
    }
    if asked.body.contains("Action=AssumeRole") {
        let credentials = format!(
            "<AccessKeyId>AKIDROLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>session</SessionToken><Expiration>{FOR_EVER}</Expiration>"
        );
        let answer = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             {credentials}</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        );
        return (200, answer.into_bytes());
    }
    let limit = json!({ "ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000 });
    (200, json!({ "AccountLimit": limit }).to_string().into_bytes())
}

/// `photodrop account` with a profile; every service answers at `url`.
pub(crate) fn account(cli: &Cli, profile: &str, url: &str) -> Output {
    let process = cli.path("vault");
    fs::write(
        &process,
        "#!/bin/sh\necho '{\"Version\": 1, \"AccessKeyId\": \"AKIDPROCESS\", \"SecretAccessKey\": \"secret\"}'\n",
    )
    .unwrap();
    fs::set_permissions(&process, fs::Permissions::from_mode(0o700)).unwrap();
    let config = cli.path("config");
    fs::write(&config, CONFIG.replace("PROCESS", &process.display().to_string())).unwrap();
    let mut command = cli.command(&["account", "--stack", "photodrop", "--json"]);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .env("HOME", cli.path("home"))
        .env("AWS_CONFIG_FILE", &config)
        .env("AWS_SHARED_CREDENTIALS_FILE", cli.path("none"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_PROFILE", profile)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ENDPOINT_URL", url);
    command.output().unwrap()
}

/// What `aws sso login` and `aws login` leave behind.
fn sign_in(cli: &Cli) {
    let token = json!({ "accessToken": "token", "expiresAt": FOR_EVER, "region": "eu-west-1",
        "startUrl": "https://photodrop.awsapps.com/start" });
    let session = json!({ "accessToken": { "accessKeyId": "AKIDLOGIN", "secretAccessKey": "secret",
        "sessionToken": "session", "accountId": "123456789012", "expiresAt": FOR_EVER }, "tokenType": "aws_sigv4",
        "refreshToken": "refresh", "clientId": "arn:aws:signin:::devtools/same-device", "dpopKey": "key" });
    for (file, content) in [(SSO_CACHE[0], &token), (SSO_CACHE[1], &token), (LOGIN_CACHE, &session)] {
        let file = cli.path("home").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content.to_string()).unwrap();
    }
}

#[test]
fn each_kind_of_profile_signs_an_operators_calls() {
    let cli = Cli::new();
    sign_in(&cli);
    for (profile, key) in [
        ("sso", "akidsso"),
        ("sso-without-session", "akidsso"),
        ("login", "akidlogin"),
        ("process", "akidprocess"),
        ("keys", "akidkeys"),
        ("role", "akidrole"),
        ("nested-sso", "akidrole"),
    ] {
        let server = Server::start(aws);
        let output = account(&cli, profile, &server.url);
        assert_eq!(output.status.code(), Some(0), "{profile}: {output:?}");
        let asked = server.asked();
        let call =
            asked.iter().find(|asked| asked.target.starts_with("/2016-08-19/account-settings")).unwrap();
        assert!(call.head.contains(&format!("credential={key}/")), "{profile}: {}", call.head);
    }
}

#[test]
fn a_profile_without_a_session_says_how_to_sign_in() {
    let cli = Cli::new();
    let server = Server::start(aws);
    for (profile, missing) in [
        ("sso", "failed to load the cached SSO token"),
        ("sso-without-session", SSO_CACHE[1]),
        ("login", LOGIN_CACHE),
        ("nested-sso", "failed to load the cached SSO token"),
    ] {
        let output = account(&cli, profile, &server.url);
        assert_eq!(output.status.code(), Some(3), "{profile}: {output:?}");
        let said = stderr(&output);
        assert!(said.contains(missing) && said.contains("aws sso login"), "{profile}: {said}");
    }
    assert_eq!(server.asked().len(), 0, "{:?}", server.asked());
}
