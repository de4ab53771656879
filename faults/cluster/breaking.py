"""The faults of the cluster; each ends with every process running again."""

import time

FROZEN_SECONDS = 40
NEW = "2.0.0"
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("patients", "{latest}")]
    operations = [migrations.AddField("patient", "released", models.TextField(null=True))]
"""


def postgresql_killed(cluster):
    """kill -9 of the primary's PostgreSQL"""
    cluster.leader().kill("postgresql")


def node_killed(cluster):
    """kill -9 of the primary's machine"""
    old = cluster.leader()
    with cluster.unplugged(old):
        old.kill()
        cluster.wait_for_failover(old)
    old.boot()


def postgresql_frozen(cluster):
    """freeze the primary's PostgreSQL, 40 s"""
    freeze(cluster.leader(), FROZEN_SECONDS, "postgresql")


def node_frozen(cluster):
    """freeze the primary's machine, 40 s"""
    freeze(cluster.leader(), FROZEN_SECONDS)


def switchover(cluster):
    """patronictl switchover"""
    cluster.patronictl("switchover", "--leader", cluster.leader().name, "--force")


def standby_killed(cluster):
    """kill -9 of a standby's machine"""
    standby = cluster.standby()
    with cluster.unplugged(standby):
        standby.kill()
        time.sleep(10)
    standby.boot()


def standby_frozen(cluster):
    """freeze a standby's machine, 20 s"""
    freeze(cluster.standby(), 20)


def etcd_killed(cluster):
    """kill -9 of all of etcd, 25 s"""
    cluster.etcd.kill()
    time.sleep(25)
    cluster.etcd.boot()


def app_killed(cluster):
    """kill -9 of an app"""
    app = cluster.apps[0]
    app.kill("app")
    time.sleep(5)
    app.boot_app()


def app_frozen(cluster):
    """freeze an app, 20 s"""
    freeze(cluster.apps[0], 20, "app")


def rolling_restart(cluster):
    """rolling restart of the apps"""
    roll(cluster, cluster.release)


def release_and_rollback(cluster):
    """a release with a migration, and rollback"""
    old, new = cluster.release, cluster.new_release()
    settings, migrations = new / "healthcare/settings.py", new / "patients/migrations"
    settings.write_text(settings.read_text().replace('"VERSION": "1.0.0"', f'"VERSION": "{NEW}"'))
    latest = max(path.stem for path in migrations.glob("[0-9]*.py"))
    (migrations / "9999_release.py").write_text(MIGRATION.format(latest=latest))
    cluster.manage(new, "backup", cluster.folder / f"{new.name}.backup", port=5001)
    cluster.manage(new, "migrate", "--verbosity", "0")
    roll(cluster, new)
    served = {cluster.version(app) for app in cluster.apps}
    roll(cluster, old)
    if served != {NEW} or {cluster.version(app) for app in cluster.apps} == {NEW}:
        raise RuntimeError(f"unexpected versions were served: {served}")
    # Undo the migration for the next round.
    cluster.sql("ALTER TABLE patients_patient DROP COLUMN released")
    cluster.sql("DELETE FROM django_migrations WHERE name = '9999_release'")


def haproxy_killed(cluster):
    """kill -9 of an app machine's HAProxy, 10 s"""
    app = cluster.apps[0]
    app.kill("haproxy")
    time.sleep(10)
    app.boot_haproxy()


def cut_from_cluster(cluster):
    """cut the primary off from etcd and the standbys, 40 s"""
    primary = cluster.leader()
    others = [machine for machine in cluster.databases if machine is not primary]
    cut(cluster, primary, [cluster.etcd, *others])


def cut_from_all(cluster):
    """cut the primary off from everything, 40 s"""
    primary = cluster.leader()
    cut(cluster, primary, [machine for machine in cluster.machines() if machine is not primary])


def cut(cluster, machine, others):
    cluster.network.cut(machine, others)
    try:
        time.sleep(FROZEN_SECONDS)
    finally:
        cluster.network.heal()


def roll(cluster, release):
    """Restart the apps one after the other with `release`, as deploy/cluster/README.md describes."""
    for app in cluster.apps:
        app.terminate("app")
        app.boot_app(release)
        cluster.wait_until_healthy()


def freeze(machine, seconds, *programs):
    machine.freeze(*programs)
    try:
        time.sleep(seconds)
    finally:
        machine.thaw(*programs)
