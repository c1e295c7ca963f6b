//! The deploy hook of certbot.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;

use crate::certificate::Certificate;
use crate::installation::{FRONTD, Installation, bin_dir};
use crate::{packaged, run};

/// A certificate and its key, named and placed as certbot does. The certificate is for `name`.
fn renew(lineage: &Path, name: &str) {
    let made = Certificate::make_for(lineage, [name.to_owned()]);
    fs::rename(made.certificate_file, lineage.join("fullchain.pem")).unwrap();
    fs::rename(made.key_file, lineage.join("privkey.pem")).unwrap();
}

#[test]
fn hook_deploys_renewed_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::make_for(dir.path(), ["old.example".to_owned()]);
    let mut installation = Installation::new();
    for (name, value) in certificate.settings("127.0.0.1:0") {
        installation = installation.with(&name, &value);
    }
    installation.script("start").expect_status(0);

    let settings = dir.path().join("chatserv.toml");
    let text = format!(
        "[tls]\ntls_cert = '{}'\ntls_key = '/elsewhere'\n",
        certificate.certificate_file.display()
    );
    fs::write(&settings, text).unwrap();
    // Variables win over the file.
    let variables = dir.path().join("chatserv.env");
    let text = format!(
        "#CHAT_TLS_CERT=/elsewhere\nCHAT_TLS_KEY=\"{}\"\nCHAT_RUN_DIR={}\n",
        certificate.key_file.display(),
        installation.run_dir.display()
    );
    fs::write(&variables, text).unwrap();
    let lineage = dir.path().join("live");
    fs::create_dir(&lineage).unwrap();
    let path = std::env::var("PATH").unwrap();
    let hook = || {
        let mut command = Command::new(packaged("certbot-deploy-hook"));
        command
            .env("PATH", format!("{}:{path}", bin_dir().display()))
            .env("RENEWED_LINEAGE", &lineage)
            .env("CHAT_CONFIG", &settings)
            .env("CHATSERV_ENV", &variables)
            .env("CHATSERV_USER", geteuid().to_string());
        run(&mut command)
    };
    renew(&lineage, "new.example");
    let (status, said) = hook();
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("is for [new.example]"), "{said}");

    // The key of another certificate.
    let other = tempfile::tempdir().unwrap();
    renew(other.path(), "other.example");
    fs::copy(
        other.path().join("privkey.pem"),
        lineage.join("privkey.pem"),
    )
    .unwrap();
    let (status, said) = hook();
    assert_eq!(status, 1, "{said}");
    assert!(
        said.contains("the key does not match the certificate"),
        "{said}"
    );

    renew(&lineage, "later.example");
    installation.program(FRONTD, &["--stop"]).expect_status(0);
    let (status, said) = hook();
    assert_eq!(
        (status, &*said),
        (0, ""),
        "nothing runs, so nothing is reloaded"
    );
    let renewed = fs::read(lineage.join("fullchain.pem")).unwrap();
    assert_eq!(fs::read(&certificate.certificate_file).unwrap(), renewed);
}

#[test]
fn hook_needs_certbot() {
    let mut command = Command::new(packaged("certbot-deploy-hook"));
    let (status, said) = run(command.env_remove("RENEWED_LINEAGE"));
    assert_eq!(status, 1);
    assert!(said.contains("certbot runs this hook"), "{said}");
    let (status, said) = run(Command::new(packaged("certbot-deploy-hook")).arg("--help"));
    assert_eq!(status, 0);
    assert!(said.starts_with("Usage: certbot "), "{said}");
}
