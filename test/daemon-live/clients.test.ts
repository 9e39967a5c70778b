// Programs that were made for dockerd and know nothing of tsrun: docker-compose brings up, serves and leaves nothing;
// what programs with docker-py and testcontainers do is in clients.docker-py.py and clients.testcontainers.cjs.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { type Daemon, type InNetwork, needDocker, tsrunDaemonWithNetwork } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { needCommand, type Skip, skipUnless } from '../helpers/host.js';
import { eventually } from '../helpers/runtime.js';

t.setTimeout(280_000);
const PYTHON = '/usr/bin/python3';
const needDockerPy: Skip =
  spawnSync(PYTHON, ['-c', 'import docker']).status === 0 ? false : 'python3-docker is not installed';
const needNetwork = skipUnless(needDocker(), needCommand('nft', 'nftables'), needCommand('ip', 'iproute2'));

const COMPOSE = `
version: "2.4"
services:
  db:
    image: ${IMAGE}
    command: ["sh", "-c", "echo started >>/data/starts; echo database ready; trap 'exit 0' TERM; while :; do sleep 1; done"]
    volumes: ["dbdata:/data"]
    healthcheck: {test: ["CMD", "test", "-s", "/data/starts"], interval: 1s, timeout: 30s, retries: 30}
    networks: {back: {aliases: [database]}}
    restart: unless-stopped
  web:
    image: ${IMAGE}
    command: ["sh", "-c", "mkdir -p /www; echo $$MODE >/www/index.html; exec httpd -f -p 80 -h /www"]
    depends_on: {db: {condition: service_healthy}}
    ports: ["8090:80"]
    environment: ["MODE=live"]
    labels: {tier: front}
    networks: [back]
    restart: always
    stop_signal: SIGKILL
networks: {back: {}}
volumes: {dbdata: {}}
`;

function started(t: Test): Daemon & InNetwork {
  const daemon = tsrunDaemonWithNetwork(t, ['--bip', '172.31.77.1/24']);
  t.teardown(() => {
    const ids = daemon.docker(['ps', '-aq']).stdout.split('\n').filter(Boolean);
    if (ids.length > 0) daemon.docker(['rm', '-fv', ...ids]);
  });
  must(daemon.docker(['load', '-i', imageArchive(daemon.directory)]));
  return daemon;
}

const skipCompose = skipUnless(needNetwork, needCommand('docker-compose', 'docker-compose'));

t.test(
  'docker-compose: up, ports, names, logs, exec, run, scale, stop and start, down',
  { skip: skipCompose },
  async (t) => {
    const daemon = started(t);
    const { docker, inNetwork } = daemon;
    mkdirSync(daemon.at('shop'));
    writeFileSync(daemon.at('shop/docker-compose.yml'), COMPOSE);
    const env = {
      DOCKER_HOST: `unix://${daemon.socket}`,
      COMPOSE_PROJECT_NAME: 'shop',
      COMPOSE_API_VERSION: 'auto',
      HOME: daemon.directory,
    };
    const compose = (...args: readonly string[]) =>
      must(
        daemon.run('docker-compose', ['-f', daemon.at('shop/docker-compose.yml'), ...args], { env, timeout: 200_000 }),
      );
    const served = () => inNetwork('curl', '-s', '-m', '5', 'http://127.0.0.1:8090/').stdout === 'live\n';

    compose('up', '-d');
    t.ok(eventually(served), 'it answers');
    t.equal(docker(['inspect', '-f', '{{.State.Health.Status}}', 'shop_db_1']).stdout, 'healthy\n');
    t.match(compose('ps').stdout, /shop_db_1 .*Up \(healthy\)[\s\S]*shop_web_1 .*Up .*0\.0\.0\.0:8090->80\/tcp/);
    t.match(compose('logs', '--no-color', 'db').stdout, /db_1 +\| database ready/);
    t.match(compose('exec', '-T', 'web', 'nslookup', 'database').stdout, /Name:\s+database/);
    t.match(
      compose('run', '--rm', 'web', 'sh', '-c', 'echo one-off; nslookup db').stdout,
      /one-off\r?\n[\s\S]*Name:\s+db/,
    );
    compose('up', '-d', '--scale', 'db=2');
    t.match(docker(['ps', '--format', '{{.Names}}']).stdout, /shop_db_2/);
    const before = docker(['ps', '-q', '--filter', 'name=shop_web']).stdout;
    compose('up', '-d', '--force-recreate', '--no-deps', 'web');
    t.ok(eventually(served), 'made anew it answers');
    t.not(docker(['ps', '-q', '--filter', 'name=shop_web']).stdout, before);
    compose('stop', 'web');
    t.notOk(served());
    compose('start', 'web');
    t.ok(eventually(served), 'it answers');
    compose('down', '-v');
    t.equal(docker(['ps', '-aq']).stdout, '');
    t.equal(docker(['volume', 'ls', '-q']).stdout, '');
    t.same(docker(['network', 'ls', '--format', '{{.Name}}']).stdout.trim().split('\n').toSorted(), [
      'bridge',
      'host',
      'none',
    ]);
  },
);

t.test(
  'docker-py: containers, streams, archives, images, networks, volumes',
  { skip: skipUnless(needNetwork, needDockerPy) },
  (t) => {
    const daemon = started(t);
    const program = fileURLToPath(new URL('clients.docker-py.py', import.meta.url));
    const { status, stdout, stderr } = daemon.run(PYTHON, [program, `unix://${daemon.socket}`, IMAGE], {
      timeout: 200_000,
    });
    t.equal(status, 0, stderr);
    t.equal(stdout.trim().split('\n').at(-1), 'rest', 'the last scenario');
    t.end();
  },
);

/**
 * 174 packages of 48 MB, whose installation takes longer than all tests of this file: not among ours, and not fetched by
 * itself. Version 12 needs a later Node.
 */
const HOME = join(process.env['XDG_CACHE_HOME'] ?? '/var/cache', 'tsrun', 'testcontainers');
const needTestcontainers: Skip = existsSync(join(HOME, 'node_modules/testcontainers'))
  ? false
  : `testcontainers is not there: npm install --prefix ${HOME} testcontainers@11`;

t.test(
  'testcontainers: networks, waiting for ports, logs and health, files, exec, restart',
  { skip: skipUnless(needNetwork, needTestcontainers) },
  async (t) => {
    const daemon = started(t);
    const program = fileURLToPath(new URL('clients.testcontainers.cjs', import.meta.url));
    // Its reaper is an image of Docker Hub.
    const env = { DOCKER_HOST: `unix://${daemon.socket}`, TESTCONTAINERS_RYUK_DISABLED: 'true' };
    const enter = ['--net', '--target', String(daemon.pid), process.execPath, program, HOME, IMAGE];
    t.match(daemon.run('nsenter', enter, { env, timeout: 200_000 }), { status: 0, stdout: 'done\n' });
    t.equal(daemon.docker(['ps', '-aq']).stdout, '', 'it leaves no container');
  },
);
