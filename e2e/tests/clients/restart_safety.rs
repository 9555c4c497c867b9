//! `POST /restart-safety` on real processes: the verdict on a set, the lease, and a broker that is taken out for good.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::process::{Cluster, admin, free_port, raw};
use odradek_e2e::tools::{kafka, run};
use odradek_e2e::wait;
use serde_json::{Value, json};

/// The status line's code and the body.
fn ask(port: u16, body: &Value) -> Result<(u16, Value)> {
    let body = body.to_string();
    let request = format!(
        "POST /restart-safety HTTP/1.1\r\nHost: broker\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = String::from_utf8(raw(port, request.as_bytes(), usize::MAX)?)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no HTTP: {answer}"))?;
    let code = head.split(' ').nth(1).context("no status code")?.parse()?;
    Ok((code, serde_json::from_str(body).with_context(|| answer.clone())?))
}

fn codes(verdict: &Value) -> Vec<String> {
    let reasons = verdict["reasons"].as_array().cloned().unwrap_or_default();
    reasons.iter().filter_map(|reason| reason["code"].as_str().map(str::to_owned)).collect()
}

#[test]
fn one_of_three_may_stop_two_may_not_and_one_holder_at_a_time() -> Result<()> {
    let http: Vec<u16> = (0..3).map(|_| free_port()).collect::<Result<_>>()?;
    let mut cluster = Cluster::start_with(3, |id, _| format!("odradek.http.listener=127.0.0.1:{}", http[id - 1]))?;
    cluster.create("kept", 6, &[])?;
    cluster.wait_in_sync("kept")?;

    // Whichever process is asked, the active controller answers.
    for port in &http {
        wait::until("one may stop", Duration::from_secs(30), || {
            let (code, verdict) =
                ask(*port, &json!({ "brokers": [3], "controllers": [3] })).map_err(|error| format!("{error:#}"))?;
            if code == 200 && verdict["safe"] == true { Ok(()) } else { Err(format!("{code} {verdict}")) }
        })?;
    }
    let (code, verdict) = ask(http[0], &json!({ "brokers": [2, 3], "controllers": [2, 3] }))?;
    ensure!(code == 200 && verdict["safe"] == false, "{code} {verdict}");
    ensure!(codes(&verdict) == ["NEVER_MAJORITY", "NEVER_ENOUGH_REPLICAS"], "{verdict}");
    let (_, verdict) = ask(http[0], &json!({ "brokers": [9] }))?;
    ensure!(codes(&verdict) == ["UNKNOWN_BROKER"], "{verdict}");

    let lease = |holder: &str, id: i32| json!({ "action": "acquire", "holder": holder, "brokers": [id], "controllers": [id], "ttlSeconds": 60 });
    let (code, granted) = ask(http[1], &lease("first", 3))?;
    ensure!(code == 200 && granted["granted"] == true, "{code} {granted}");
    let (code, refused) = ask(http[2], &lease("second", 2))?;
    ensure!(code == 409 && refused["granted"] == false && refused["lease"]["holder"] == "first", "{code} {refused}");

    // While it is away nobody else may stop; the lease outlives the change of the controller, if it was that one.
    cluster.brokers[2].kill()?;
    wait::until("another one may not stop", Duration::from_secs(30), || {
        let (code, verdict) = ask(http[0], &json!({ "brokers": [2] })).map_err(|error| format!("{error:#}"))?;
        let lease = &verdict["lease"]["holder"];
        let codes = codes(&verdict);
        let told = codes.iter().any(|code| code == "WOULD_BE_UNDER_MIN_ISR" || code == "BROKER_NOT_SERVING");
        if code == 200 && told && lease == "first" { Ok(()) } else { Err(format!("{code} {verdict}")) }
    })?;
    cluster.restart(2)?;
    cluster.wait_registered(3)?;
    cluster.wait_in_sync("kept")?;
    let (code, wrong) = ask(http[0], &json!({ "action": "release", "holder": "second" }))?;
    ensure!(code == 400, "{code} {wrong}");
    let (code, released) = ask(http[0], &json!({ "action": "release", "holder": "first" }))?;
    ensure!(code == 200 && released["lease"] == Value::Null, "{code} {released}");
    wait::until("the next one gets the lease", Duration::from_secs(30), || {
        let (code, answer) = ask(http[2], &lease("second", 2)).map_err(|error| format!("{error:#}"))?;
        if code == 200 { Ok(()) } else { Err(format!("{code} {answer}")) }
    })?;

    unregister(&mut cluster)
}

/// kafka-cluster unregister (KIP-631): refused while the broker is alive; then it is known no more.
fn unregister(cluster: &mut Cluster) -> Result<()> {
    let bootstrap = cluster.bootstrap();
    let tool = || -> Result<_> {
        run(
            kafka("org.apache.kafka.tools.ClusterTool")?.args([
                "unregister",
                "--bootstrap-server",
                &bootstrap,
                "--id",
                "3",
            ]),
            b"",
        )
    };
    let alive = tool()?;
    ensure!((alive.out.clone() + &alive.err).contains("Broker 3 is alive"), "{alive:?}");
    cluster.brokers[2].stop()?;
    let gone = tool()?.ok()?;
    ensure!(gone.contains("Broker 3 is no longer registered"), "{gone}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let admin = admin(&bootstrap);
    wait::until("the broker is known no more", Duration::from_secs(30), || {
        let known = runtime.block_on(admin.describe_cluster()).map_err(|error| error.to_string())?;
        let ids: Vec<i32> = known.brokers.iter().map(|broker| broker.id).collect();
        if ids == [1, 2] { Ok(()) } else { Err(format!("{ids:?}")) }
    })
}
