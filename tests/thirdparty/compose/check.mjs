// What examples/compose says, without an engine: Compose's schema and the Dockerfile's syntax by linters of others, and
// what makes this file safe: ports, networks, health checks, secrets, users. Arguments: examples/compose, after prepare.sh.
import {execFileSync} from "node:child_process";
import {existsSync, readFileSync} from "node:fs";
import {join} from "node:path";
import yaml from "yaml";

const folder = process.argv[2];
const problems = [];
const expect = (good, what) => good || problems.push(what);
const run = (program, ...args) => {
    try {
        return execFileSync(join("node_modules/.bin", program), args, {encoding: "utf8", stdio: "pipe"});
    } catch (e) {
        problems.push(`${program}: ${e.stdout}${e.stderr}`);
        return "";
    }
};

run("dclint", "--quiet", "--color", "false", join(folder, "compose.yaml"));
run("dockerfile-utils", "lint", join(folder, "Dockerfile"));

// The stages of the Dockerfile: what each inherits of its base, user and health check.
const stages = {};
let stage = null;
for (const line of readFileSync(join(folder, "Dockerfile"), "utf8").replace(/\\\n/g, " ").split("\n")) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === "FROM") {
        stage = {...(stages[rest[0]] ?? {})};
        stages[rest[2]] = stage;
    } else if (word === "USER") {
        stage.user = rest[0];
    } else if (word === "HEALTHCHECK") {
        stage.health = true;
    }
}

const compose = yaml.parse(readFileSync(join(folder, "compose.yaml"), "utf8"), {merge: true});
const used = {secrets: new Set(), volumes: new Set(), networks: new Set()};
for (const [name, service] of Object.entries(compose.services)) {
    const built = service.build ? stages[service.build.target] : {};
    expect(built, `${name}: the Dockerfile has no target ${service.build?.target}`);
    const user = service.user ?? built?.user;
    expect(user && !/^(root|0)(:|$)/.test(user), `${name} runs as root`);
    expect(service.healthcheck || built?.health, `${name} has no health check`);
    expect(service.cap_drop?.includes("ALL"), `${name} keeps capabilities`);
    expect(!service.privileged && !service.network_mode, `${name} leaves its container`);
    expect(name === "webui" || !service.ports, `${name} publishes a port`);
    for (const [key, value] of Object.entries(service.environment ?? {})) {
        expect(!/password|secret|key/i.test(key) || /_FILE$/.test(key), `${name}: ${key}=${value} is a secret in the environment`);
    }
    for (const other of Object.keys(service.depends_on ?? {})) {
        expect(compose.services[other], `${name} depends on ${other}, which is not there`);
        expect(service.depends_on[other].condition === "service_healthy", `${name} does not wait until ${other} is healthy`);
    }
    for (const secret of service.secrets ?? []) {
        used.secrets.add(secret);
        expect(compose.secrets[secret]?.file, `${name}: the secret ${secret} is no file`);
    }
    for (const network of service.networks) {
        used.networks.add(network);
        expect(network in compose.networks, `${name}: there is no network ${network}`);
    }
    for (const volume of service.volumes ?? []) {
        const from = volume.split(":")[0];
        if (from.startsWith("./")) {
            expect(existsSync(join(folder, from)), `${name} mounts ${from}, which prepare.sh does not make`);
            expect(volume.endsWith(":ro"), `${name} may write ${from}`);
        } else {
            used.volumes.add(from);
            expect(from in compose.volumes, `${name}: there is no volume ${from}`);
        }
    }
}
const ports = compose.services.webui.ports;
expect(ports.length === 1 && ports[0].startsWith("127.0.0.1:"), `the Web UI is open to the world: ${ports}`);
for (const kind of ["secrets", "volumes", "networks"]) {
    for (const name of Object.keys(compose[kind])) {
        expect(used[kind].has(name), `nobody uses ${kind} ${name}`);
    }
}
for (const {file} of Object.values(compose.secrets)) {
    expect(existsSync(join(folder, file)), `prepare.sh does not make ${file}`);
}
expect(compose.networks.backup.internal && compose.networks.console.internal, "the daemons' networks are not internal");
// Who may talk to whom: two services share a network, or they do not.
const together = (a, b) => compose.services[a].networks.some((n) => compose.services[b].networks.includes(n));
const apart = [["webui", "catalog"], ["webui", "storage"], ["webui", "filedaemon"], ["webui", "m365stage"], ["m365stage", "catalog"]];
for (const [a, b] of apart) {
    expect(!together(a, b), `${a} reaches ${b}`);
}
const reached = [["director", "catalog"], ["director", "filedaemon"], ["director", "storage"], ["director", "mail"], ["filedaemon", "storage"], ["webui", "director"]];
for (const [a, b] of reached) {
    expect(together(a, b), `${a} does not reach ${b}`);
}
console.log(problems.length ? problems.join("\n") : `compose.yaml: ${Object.keys(compose.services).length} services, one port, no problem`);
process.exit(problems.length ? 1 : 0);
