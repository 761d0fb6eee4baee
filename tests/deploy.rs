//! What lies under deploy/, held against the program: what can be read of it without a cluster or a container runtime.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; clippy.toml's leave does not reach the helpers")]

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser;
use serde::Deserialize;
use serde_yaml_ng::Value;
use wxgate::cli::Arguments;
use wxgate::config::{Config, Environment, parse};

const DOCKERFILE: &str = include_str!("../deploy/Dockerfile");
const SERVICE: &str = include_str!("../deploy/systemd/wxgate.service");
const SOCKET: &str = include_str!("../deploy/systemd/wxgate.socket");
const UNIT_CONFIG: &str = include_str!("../deploy/systemd/config.toml");
const SIDECAR: &str = include_str!("../deploy/kubernetes/sidecar.yaml");
const GATEWAY: &str = include_str!("../deploy/kubernetes/gateway.yaml");
const INSTALLED: &str = "/usr/local/bin/wxgate";
/// Where the images' user is nobody in particular.
const NOBODY: u64 = 65532;

/// The instructions of the Dockerfile, each with its arguments.
fn instructions() -> Vec<(&'static str, String)> {
    let joined = DOCKERFILE.replace("\\\n", " ");
    let lines: Vec<String> = joined.lines().map(|line| line.trim().to_owned()).collect();
    let written = lines.into_iter().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = written.map(|line| {
        let (name, rest) = line.split_once(' ').unwrap();
        let known = ["FROM", "ARG", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"];
        let known = known.into_iter().chain(["ENTRYPOINT", "CMD"]).find(|known| *known == name);
        (known.unwrap_or_else(|| panic!("{name} is no instruction")), rest.trim().to_owned())
    });
    split.collect()
}

fn only(name: &str) -> String {
    let mut found = instructions().into_iter().filter(|(instruction, _)| *instruction == name);
    let (Some((_, arguments)), None) = (found.next(), found.next()) else { panic!("one {name}, not none or more") };
    arguments
}

fn words(exec_form: &str) -> Vec<String> {
    serde_json::from_str(exec_form)
        .unwrap_or_else(|_| panic!("{exec_form} is not the exec form, and there is no shell"))
}

#[test]
fn the_image_runs_and_checks_the_binary_that_it_was_given_as_a_user_without_rights() {
    let stages: Vec<_> = instructions().into_iter().filter(|(name, _)| *name == "FROM").collect();
    assert_eq!(stages.len(), 2, "one builds, the other runs");
    assert!(stages[0].1.ends_with(" AS build"));
    let copied = instructions().into_iter().filter(|(name, _)| *name == "COPY").map(|(_, what)| what);
    assert!(
        copied.into_iter().any(|what| what.starts_with("--from=build ") && what.ends_with(&format!(" {INSTALLED}")))
    );
    assert_eq!(only("USER"), format!("{NOBODY}:{NOBODY}"));
    let mut started = words(&only("ENTRYPOINT"));
    started.extend(words(&only("CMD").split_once('[').map(|(_, rest)| format!("[{rest}")).unwrap()));
    let check = only("HEALTHCHECK");
    let check = words(&check[check.find('[').unwrap()..]);
    for command in [started, check] {
        assert_eq!(command[0], INSTALLED);
        assert!(Arguments::try_parse_from(&command).is_ok(), "{command:?}");
    }
    let ports: Vec<u16> = only("EXPOSE").split(' ').map(|port| port.parse().unwrap()).collect();
    let config = minimal("", &[]);
    assert!(only("VOLUME").contains(config.body.directory.to_str().unwrap()));
    assert_eq!(ports, [8080, 8081], "the defaults");
    assert_eq!(only("STOPSIGNAL"), "SIGTERM");
}

#[test]
fn the_build_stage_has_the_rust_that_the_project_needs() {
    let manifest: toml::Table = fs::read_to_string("Cargo.toml").unwrap().parse().unwrap();
    let needed = manifest["package"]["rust-version"].as_str().unwrap();
    assert!(DOCKERFILE.contains(&format!("FROM rust:{needed}-")), "{needed}");
}

/// A configuration of one account, under these variables.
fn minimal(text: &str, variables: &[(&str, &str)]) -> Config {
    let credentials = [("WXGATE_APPID", "wx1"), ("WXGATE_SECRET", "s")];
    let environment = Environment::from_iter(credentials.into_iter().chain(variables.iter().copied()));
    parse(text, &environment).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// A text whose secrets and directories are elsewhere, with something in their place that is here.
fn here(text: &str) -> Config {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "s3cr3t").unwrap();
    let directory = std::env::temp_dir();
    let mut text = text.to_owned();
    for (there, here) in [
        ("/run/credentials/wxgate.service/secret", secret.path()),
        ("/run/secrets/wxgate/secret", secret.path()),
        ("/var/lib/wxgate", &directory),
        ("/var/cache/wxgate", &directory),
    ] {
        text = text.replace(there, here.to_str().unwrap());
    }
    parse(&text, &Environment::default()).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// The values of a key in a unit.
fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_units_fit_their_configuration() {
    let config = here(UNIT_CONFIG);
    let addresses =
        [format!("{:?}", config.listeners[0].address), format!("{:?}", config.admin.address.as_ref().unwrap())];
    let sockets = values(SOCKET, "ListenStream");
    assert_eq!(sockets.len(), addresses.len());
    for (socket, address) in sockets.iter().zip(&addresses) {
        assert!(address.contains(socket), "{socket} and {address}");
    }
    for (key, place) in [("StateDirectory", "/var/lib/"), ("CacheDirectory", "/var/cache/")] {
        let directory = format!("\"{place}{}\"", values(SERVICE, key)[0]);
        assert!(UNIT_CONFIG.contains(&directory), "{directory}");
    }
    let start = values(SERVICE, "ExecStart")[0];
    assert!(Arguments::try_parse_from(start.split(' ')).is_ok(), "{start}");
    let patience: u64 = values(SERVICE, "TimeoutStopSec")[0].trim_end_matches('s').parse().unwrap();
    assert!(patience > (config.server.stop_delay + config.server.drain_timeout).as_secs());
    let raised: usize = values(SERVICE, "LimitNOFILE")[0].parse().unwrap();
    assert!(raised >= 2 * config.server.connections, "one for the caller, one for WeChat");
}

/// systemd's own word, where it is installed; CI installs it.
#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("not looked at: there is no systemd-analyze here");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    fs::write(place("wxgate.service"), SERVICE.replace(INSTALLED, env!("CARGO_BIN_EXE_wxgate"))).unwrap();
    fs::write(place("wxgate.socket"), SOCKET).unwrap();
    let verify = |unit: &Path| Command::new("systemd-analyze").arg("verify").arg(unit).output().unwrap();
    for unit in ["wxgate.service", "wxgate.socket"] {
        let output = verify(&place(unit));
        let said = String::from_utf8_lossy(&output.stderr);
        let about_it: Vec<_> = said.lines().filter(|line| line.contains("wxgate")).collect();
        assert!(output.status.success() && about_it.is_empty(), "{said}");
    }
}

fn documents(manifest: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(manifest).map(|document| Value::deserialize(document).unwrap()).collect()
}

fn of_kind(manifest: &str, kind: &str) -> Value {
    documents(manifest).into_iter().find(|document| document["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// What both deployments must see to, whichever list the container stands in.
fn check_container(pod: &Value, container: &Value, config: &Config) {
    let admin = format!("{:?}", config.admin.address.as_ref().unwrap());
    assert!(admin.contains("0.0.0.0:8081"), "probes come from outside the pod: {admin}");
    let port_named = |name: &Value| {
        let ports = container["ports"].as_sequence().unwrap();
        ports.iter().find(|port| &port["name"] == name).unwrap()["containerPort"].as_u64().unwrap()
    };
    for (probe, path) in [("startupProbe", "/startupz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")] {
        let get = &container[probe]["httpGet"];
        assert_eq!((get["path"].as_str(), port_named(&get["port"])), (Some(path), 8081), "{probe}");
    }
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace > (config.server.stop_delay + config.server.drain_timeout).as_secs(), "{grace}");
    let user = container["securityContext"]["runAsUser"].as_u64().or(pod["securityContext"]["runAsUser"].as_u64());
    assert_eq!(user, Some(NOBODY));
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let mounts = container["volumeMounts"].as_sequence().unwrap();
    let directory = config.body.directory.to_str().unwrap();
    assert!(
        mounts.iter().any(|mount| mount["mountPath"] == directory),
        "large bodies need a place that can be written to"
    );
    let volumes = pod["volumes"].as_sequence().unwrap();
    for mount in mounts {
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount:?}");
    }
}

#[test]
fn the_sidecar_is_a_native_one_and_its_variables_are_keys() {
    let deployment = of_kind(SIDECAR, "Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let sidecar = &pod["initContainers"][0];
    assert_eq!(sidecar["restartPolicy"], "Always");
    let variables = sidecar["env"].as_sequence().unwrap();
    let set: Vec<_> =
        variables.iter().filter_map(|var| Some((var["name"].as_str()?, var["value"].as_str()?))).collect();
    let config = minimal("", &set);
    for (name, value) in &set {
        // One that were no key would change nothing.
        let others: Vec<_> = set.iter().filter(|(other, _)| other != name).copied().collect();
        assert_ne!(
            format!("{config:?}"),
            format!("{:?}", minimal("listen.address = '127.0.0.9:1'", &others)),
            "{name}={value}"
        );
    }
    check_container(pod, sidecar, &config);
    let secret = of_kind(SIDECAR, "Secret");
    for variable in variables.iter().filter(|variable| variable["valueFrom"].is_mapping()) {
        let reference = &variable["valueFrom"]["secretKeyRef"];
        assert_eq!(reference["name"], secret["metadata"]["name"]);
        assert!(secret["stringData"][reference["key"].as_str().unwrap()].is_string(), "{reference:?}");
    }
    let service = &pod["containers"][0]["env"][0]["value"];
    let listener = format!("{:?}", config.listeners[0].address);
    assert!(listener.contains(service.as_str().unwrap().strip_prefix("http://").unwrap()), "{service:?} {listener}");
}

#[test]
fn the_gateways_configuration_is_one_and_what_is_mounted_is_what_it_reads() {
    let text = of_kind(GATEWAY, "ConfigMap")["data"]["config.toml"].as_str().unwrap().to_owned();
    let config = here(&text);
    let deployment = of_kind(GATEWAY, "Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    check_container(pod, container, &config);
    assert!(!config.listeners[0].admit.is_empty(), "whoever reaches it would speak as the account");
    assert!(!config.server.stop_delay.is_zero(), "endpoints are taken out while the signal is on its way");
    assert_eq!(pod["enableServiceLinks"], false);
    let arguments: Vec<_> =
        container["args"].as_sequence().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(Arguments::try_parse_from([&["wxgate"], arguments.as_slice()].concat()).is_ok(), "{arguments:?}");
    let mounts: Vec<_> = container["volumeMounts"].as_sequence().unwrap().iter().collect();
    let mounted = |path: &str| mounts.iter().any(|mount| path.starts_with(mount["mountPath"].as_str().unwrap()));
    assert!(mounted(arguments.last().unwrap()));
    assert!(text.contains("\"/run/secrets/wxgate/secret\"") && mounted("/run/secrets/wxgate/secret"));
    assert!(of_kind(GATEWAY, "Secret")["stringData"]["secret"].is_string());
    let selector = of_kind(GATEWAY, "Service")["spec"]["selector"].clone();
    assert_eq!(deployment["spec"]["template"]["metadata"]["labels"], selector);
    assert_eq!(of_kind(GATEWAY, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"], selector);
}

#[test]
fn both_documents_name_the_same_commands() {
    let commands = |text: &str| {
        let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
        let without_comment = indented.map(|line| line.split("  #").next().unwrap().trim_end().to_owned());
        without_comment.filter(|line| line.starts_with("systemctl") || line.starts_with("docker")).collect::<Vec<_>>()
    };
    let [english, chinese] =
        ["docs/deployment.md", "docs/deployment.zh-CN.md"].map(|path| commands(&fs::read_to_string(path).unwrap()));
    assert!(english.len() >= 5);
    assert_eq!(english, chinese);
}
