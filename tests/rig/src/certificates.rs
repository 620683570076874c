//! The certificates of a secured cluster, new for each.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use crate::start_error::{Context, StartError};

/// A folder of PEM files.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes the files: `ca` and `wrong-ca`; for brokers `server`, `other-host` and `expired` with
    /// their keys in one file, as Kafka wants them; and one for each user, named for it.
    pub(crate) fn make(folder: &Path, users: &[&str]) -> Result<Certificates, StartError> {
        fs::create_dir_all(folder).context("cannot create", folder)?;
        let certificates = Certificates { folder: folder.to_owned() };
        let made = certificates.write(users);
        made.map_err(|error| StartError::new(format!("no certificates: {error}")))?;
        Ok(certificates)
    }

    fn write(&self, users: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
        let (ca, ca_pem) = authority("Rig CA")?;
        fs::write(self.path("ca"), &ca_pem)?;
        fs::write(self.path("wrong-ca"), authority("Wrong CA")?.1)?;

        let here: &[&str] = &["localhost", "127.0.0.1"];
        let elsewhere: &[&str] = &["elsewhere.example"];
        let brokers =
            [("server", here, 2100), ("other-host", elsewhere, 2100), ("expired", here, 2001)];
        for (name, hosts, until) in brokers {
            let (certificate, key) = certificate(&ca, name, hosts, until)?;
            fs::write(self.path(name), format!("{key}{certificate}{ca_pem}"))?;
        }
        for user in users {
            let (certificate, key) = certificate(&ca, user, &[], 2100)?;
            fs::write(self.path(user), certificate)?;
            fs::write(self.key(user), key)?;
        }
        Ok(())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    pub(crate) fn key(&self, user: &str) -> PathBuf {
        self.folder.join(format!("{user}.key"))
    }
}

/// A certificate authority, and its certificate.
fn authority(name: &str) -> Result<(Issuer<'static, KeyPair>, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}

/// A certificate for both ends of a connection, and its key.
fn certificate(
    authority: &Issuer<'static, KeyPair>,
    name: &str,
    hosts: &[&str],
    last_year: i32,
) -> Result<(String, String), rcgen::Error> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    // Without the name that the library gives it.
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}
