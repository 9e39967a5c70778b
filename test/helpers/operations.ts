// What a daemon does, each with a look at whether it is done or not done; what is neither is an error. Tests break it off in
// the middle: by a kill, by a full disk.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, post } from './api.js';
import type { Daemon } from './daemon.js';
import { IMAGE, imageArchive, must } from './engine.js';
import { sharedRootfs } from './rootfs.js';

const TAR = { 'content-type': 'application/x-tar' };
const TERMINATES = ['sh', '-c', 'trap "exit 3" TERM; while :; do sleep 0.05; done'];

export interface Stage extends Daemon {
  readonly home: number;
  /** An archive that `docker load` takes, of another image than IMAGE. */
  readonly archive: Buffer;
  /** "127.0.0.1:5000/app", in a registry that has it. */
  readonly remote: string | undefined;
}

export interface Operation {
  /** Before the daemon is killed. */
  prepare?(stage: Stage): Promise<unknown>;
  act(stage: Stage): Promise<Answer>;
  /** What is there: true, it is done; false, not at all. Throws for what is neither. */
  isDone(stage: Stage): Promise<boolean>;
}

export const create = (stage: Stage, name: string, config: object = {}, host: object = {}): Promise<Answer> =>
  post(stage.socket, `/containers/create?name=${name}`, {
    ...{ Image: IMAGE, Cmd: ['sleep', '1000'] },
    ...config,
    HostConfig: { NetworkMode: 'none', ...host },
  });

async function run(stage: Stage, name: string, config: object = {}, host: object = {}): Promise<void> {
  await create(stage, name, config, host);
  expect(await stage.api('POST', `/containers/${name}/start`), 204);
}

export function expect(answer: Answer, status: number): Answer {
  if (answer.status !== status) throw new Error(`${answer.status} instead of ${status}: ${answer.text.slice(0, 300)}`);
  return answer;
}

// biome-ignore lint/suspicious/noExplicitAny: answers of the API
const inspect = async (stage: Stage, path: string): Promise<any> => expect(await stage.api('GET', path), 200).json;
const isThere = async (stage: Stage, path: string): Promise<boolean> => (await stage.api('GET', path)).status === 200;

/** One of the two; everything else is neither. */
async function state(stage: Stage, name: string, done: string, not: string): Promise<boolean> {
  const { Status } = (await inspect(stage, `/containers/${name}/json`)).State;
  if (Status !== done && Status !== not) throw new Error(`${name} is ${Status}`);
  return Status === done;
}

/** The program takes commands: nothing has frozen it. */
export async function works(stage: Stage, name: string, ...command: readonly string[]): Promise<string> {
  const Cmd = command.length > 0 ? command : ['true'];
  const made = expect(await post(stage.socket, `/containers/${name}/exec`, { Cmd, AttachStdout: true }), 201);
  return expect(await post(stage.socket, `/exec/${made.json.Id}/start`, {}), 200).text;
}

async function startsFrom(stage: Stage, image: string, name: string): Promise<void> {
  await create(stage, name, { Image: image, Cmd: ['true'] });
  expect(await stage.api('POST', `/containers/${name}/start`), 204);
  expect(await stage.api('DELETE', `/containers/${name}?force=1`), 204);
}

async function isMember(stage: Stage, network: string, name: string): Promise<boolean> {
  const { State, NetworkSettings } = await inspect(stage, `/containers/${name}/json`);
  const names = Object.keys(NetworkSettings.Networks);
  const links = readFileSync(`/proc/${State.Pid}/net/dev`, 'utf8').match(/\beth\d/g)?.length;
  if (links !== names.length) throw new Error(`${name} has ${links} links and is in ${names}`);
  const members = Object.keys((await inspect(stage, `/networks/${network}`)).Containers);
  if (members.length !== Number(names.includes(network)))
    throw new Error(`${network} has ${members}, ${name} ${names}`);
  return names.includes(network);
}

export const OPERATIONS: { readonly [name: string]: Operation } = {
  create: {
    act: (stage) => create(stage, 'made', { Volumes: { '/data': {} } }),
    isDone: async (stage) => (await isThere(stage, '/containers/made/json')) && state(stage, 'made', 'created', ''),
  },
  start: {
    prepare: (stage) => create(stage, 'started', { Volumes: { '/data': {} } }, { NetworkMode: 'bridge' }),
    act: (stage) => stage.api('POST', '/containers/started/start'),
    isDone: (stage) => state(stage, 'started', 'running', 'created'),
  },
  stop: {
    prepare: (stage) => run(stage, 'stopped', { Cmd: TERMINATES }),
    act: (stage) => stage.api('POST', '/containers/stopped/stop?t=5'),
    isDone: async (stage) => {
      const isOver = await state(stage, 'stopped', 'exited', 'running');
      if (!isOver) expect(await stage.api('POST', '/containers/stopped/stop?t=5'), 204);
      const { ExitCode } = (await inspect(stage, '/containers/stopped/json')).State;
      if (ExitCode !== 3 && ExitCode !== 137) throw new Error(`how it ended is lost: ${ExitCode}`);
      return isOver;
    },
  },
  remove: {
    prepare: (stage) => run(stage, 'removed', { Volumes: { '/data': {} } }),
    act: (stage) => stage.api('DELETE', '/containers/removed?force=1&v=1'),
    isDone: async (stage) =>
      !(await isThere(stage, '/containers/removed/json')) || state(stage, 'removed', '', 'running').catch(() => false),
  },
  pause: {
    prepare: (stage) => run(stage, 'paused'),
    act: (stage) => stage.api('POST', '/containers/paused/pause'),
    isDone: async (stage) => {
      const isPaused = await state(stage, 'paused', 'paused', 'running');
      expect(await stage.api('POST', '/containers/paused/stop?t=0'), 204);
      return isPaused;
    },
  },
  unpause: {
    prepare: async (stage) => {
      await run(stage, 'thawed');
      expect(await stage.api('POST', '/containers/thawed/pause'), 204);
    },
    act: (stage) => stage.api('POST', '/containers/thawed/unpause'),
    isDone: async (stage) => {
      const runs = await state(stage, 'thawed', 'running', 'paused');
      if (!runs) expect(await stage.api('POST', '/containers/thawed/unpause'), 204);
      await works(stage, 'thawed');
      return runs;
    },
  },
  rename: {
    prepare: (stage) => run(stage, 'old-name', {}, { NetworkMode: 'net' }),
    act: (stage) => stage.api('POST', '/containers/old-name/rename?name=new-name'),
    isDone: async (stage) => {
      const [isOld, isNew] = [
        await isThere(stage, '/containers/old-name/json'),
        await isThere(stage, '/containers/new-name/json'),
      ];
      if (isOld === isNew) throw new Error('not one name');
      const name = isNew ? 'new-name' : 'old-name';
      const seen = Object.values((await inspect(stage, '/networks/net')).Containers).map(
        (one) => (one as { Name: string }).Name,
      );
      if (!seen.includes(name)) throw new Error(`the network knows ${seen}, not ${name}`);
      if (!/: 1\d\d\.\d+/.test(await works(stage, name, 'nslookup', name))) throw new Error(`${name} has no address`);
      return isNew;
    },
  },
  update: {
    prepare: (stage) => run(stage, 'updated', {}, { PidsLimit: 100 }),
    act: (stage) => post(stage.socket, '/containers/updated/update', { PidsLimit: 77 }),
    isDone: async (stage) => {
      const { HostConfig, Id } = await inspect(stage, '/containers/updated/json');
      const [limit] = spawnSync('sh', ['-c', `cat $(find /sys/fs/cgroup -path '*/${Id}/pids.max')`], {
        encoding: 'utf8',
      }).stdout.split('\n');
      if (HostConfig.PidsLimit && limit && limit !== String(HostConfig.PidsLimit))
        throw new Error(`${HostConfig.PidsLimit}, but ${limit}`);
      return HostConfig.PidsLimit !== 100;
    },
  },
  commit: {
    prepare: (stage) => run(stage, 'committed'),
    act: (stage) => post(stage.socket, '/commit?container=committed&repo=image-of-it', {}),
    isDone: async (stage) => {
      await works(stage, 'committed');
      const isMade = await isThere(stage, '/images/image-of-it/json');
      if (isMade) await startsFrom(stage, 'image-of-it', 'of-commit');
      return isMade;
    },
  },
  exec: {
    prepare: (stage) => run(stage, 'with-exec'),
    act: async (stage) => {
      const { json } = await post(stage.socket, '/containers/with-exec/exec', { Cmd: ['touch', '/touched'] });
      return post(stage.socket, `/exec/${json?.Id}/start`, { Detach: true });
    },
    isDone: async (stage) => {
      await sleep(300);
      return (await works(stage, 'with-exec', 'ls', '/')).includes('touched');
    },
  },
  connect: {
    prepare: (stage) => run(stage, 'joins', {}, { NetworkMode: 'bridge' }),
    act: (stage) => post(stage.socket, '/networks/joined/connect', { Container: 'joins' }),
    isDone: (stage) => isMember(stage, 'joined', 'joins'),
  },
  disconnect: {
    prepare: async (stage) => {
      await run(stage, 'leaves', {}, { NetworkMode: 'bridge' });
      expect(await post(stage.socket, '/networks/left/connect', { Container: 'leaves' }), 200);
    },
    act: (stage) => post(stage.socket, '/networks/left/disconnect', { Container: 'leaves' }),
    isDone: async (stage) => !(await isMember(stage, 'left', 'leaves')),
  },
  'network create': {
    act: (stage) => post(stage.socket, '/networks/create', { Name: 'new-net' }),
    isDone: (stage) => isThere(stage, '/networks/new-net'),
  },
  'network rm': {
    prepare: (stage) => post(stage.socket, '/networks/create', { Name: 'old-net' }),
    act: (stage) => stage.api('DELETE', '/networks/old-net'),
    isDone: async (stage) => !(await isThere(stage, '/networks/old-net')),
  },
  'volume create': {
    act: (stage) => post(stage.socket, '/volumes/create', { Name: 'new-volume' }),
    isDone: (stage) => isThere(stage, '/volumes/new-volume'),
  },
  'volume rm': {
    prepare: (stage) => post(stage.socket, '/volumes/create', { Name: 'old-volume' }),
    act: (stage) => stage.api('DELETE', '/volumes/old-volume'),
    isDone: async (stage) => !(await isThere(stage, '/volumes/old-volume')),
  },
  tag: {
    act: (stage) => stage.api('POST', `/images/${IMAGE}/tag?repo=other&tag=1`),
    isDone: (stage) => isThere(stage, '/images/other:1/json'),
  },
  load: {
    act: (stage) => stage.api('POST', '/images/load', { body: stage.archive, headers: TAR }),
    isDone: async (stage) => {
      const isLoaded = await isThere(stage, '/images/loaded/json');
      if (isLoaded) await startsFrom(stage, 'loaded', 'of-load');
      return isLoaded;
    },
  },
  pull: {
    act: (stage) =>
      stage.remote === undefined
        ? stage.api('GET', '/_ping')
        : stage.api('POST', `/images/create?fromImage=${stage.remote}&tag=latest`),
    isDone: async (stage) => {
      if (stage.remote === undefined) return true;
      const isPulled = await isThere(stage, `/images/${stage.remote}/json`);
      if (isPulled) await startsFrom(stage, stage.remote, 'of-pull');
      return isPulled;
    },
  },
};

/** Networks that the operations are about. */
export const NETWORKS = ['net', 'joined', 'left'];

/** Takes away all that the operations made. */
export async function clear(stage: Stage): Promise<void> {
  const containers: readonly { readonly Id: string }[] = (await stage.api('GET', '/containers/json?all=1')).json;
  const gone = containers.map(({ Id }) => stage.api('DELETE', `/containers/${Id}?force=1&v=1`));
  for (const answer of await Promise.all(gone)) expect(answer, 204);
  for (const { Name } of (await stage.api('GET', '/networks?filters={"type":["custom"]}')).json)
    expect(await stage.api('DELETE', `/networks/${Name}`), 204);
  for (const { Name } of (await stage.api('GET', '/volumes')).json.Volumes ?? [])
    expect(await stage.api('DELETE', `/volumes/${Name}`), 204);
  for (const { Id, RepoTags } of (await stage.api('GET', '/images/json')).json)
    if (!(RepoTags ?? []).includes(IMAGE)) expect(await stage.api('DELETE', `/images/${Id}?force=1`), 200);
  await stage.api('DELETE', '/images/other:1');
  expect(await stage.api('POST', '/images/prune'), 200);
}

/** A daemon with IMAGE; remote: a name in a registry, where another image is put. */
export async function readStage(daemon: Daemon, home: number, remote: string | undefined): Promise<Stage> {
  const { docker, at } = daemon;
  must(docker(['load', '--input', imageArchive(daemon.directory)]));
  must(daemon.run('tar', ['-C', sharedRootfs(), '-cf', at('root.tar'), '.']));
  must(docker(['import', '--change', 'ENV PATH=/bin:/usr/bin', at('root.tar'), 'loaded']));
  must(docker(['save', '--output', at('loaded.tar'), 'loaded']));
  if (remote !== undefined) {
    must(docker(['tag', 'loaded', remote]));
    must(docker(['push', remote]));
    must(docker(['rmi', remote]));
  }
  must(docker(['rmi', 'loaded']));
  // What the first container makes, and the first network, stays: the default bridge, tables of rules.
  const stage = { ...daemon, home, remote, archive: readFileSync(at('loaded.tar')) };
  must(docker(['run', '--rm', IMAGE, 'true']));
  await clear(stage);
  return stage;
}
