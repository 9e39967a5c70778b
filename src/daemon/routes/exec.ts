/** POST /containers/{id}/exec and /exec/{id}/start, /resize; GET /exec/{id}/json. */
import type { Duplex } from 'node:stream';
import { SpecError, TsrunError } from '../../errors.js';
import { readExecCreate, readExecStart } from '../api/read.js';
import type { ExecStart } from '../api/types.gen.js';
import type { Actors } from '../container/actors.js';
import { claimExec, createExec, type Exec, requireRunning, startExec } from '../container/exec.js';
import { attachMonitor, resizeTerminal, type Watch } from '../container/monitor-client.js';
import { relay } from '../container/relay.js';
import { exitCodeOf } from '../container/start.js';
import { ApiError, badRequest, messageOf, notFound } from '../http/api-error.js';
import { type ApiRequest, empty, hijack, json, type Reply, type Route } from '../http/route.js';
import { frame } from '../logs/frames.js';
import { streamType } from './attach.js';
import { sizeOf } from './lifecycle.js';

export interface ExecDeps {
  readonly actors: Pick<Actors, 'find' | 'findExec'>;
}

export function execRoutes({ actors }: ExecDeps): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/containers/{id}/exec',
      handle: async (request) => {
        const container = actors.find(request.param('id'));
        const { id } = createExec(container, request.param('id'), await request.body(readExecCreate));
        return json(201, { Id: id });
      },
    },
    {
      method: 'POST',
      path: '/exec/{id}/start',
      handle: async (request) => {
        const exec = actors.findExec(request.param('id'));
        return start(exec, await request.body(readExecStart), request);
      },
    },
    {
      method: 'POST',
      path: '/exec/{id}/resize',
      handle: async (request) => {
        const { rows, columns } = sizeOf(request);
        const exec = actors.findExec(request.param('id'));
        requireRunning(exec.container, exec.container.id);
        if (exec.status !== 'running') throw notFound(`no such exec: ${exec.id} does not run`);
        await resizeTerminal(exec.directory, rows, columns);
        return empty(200);
      },
    },
    {
      method: 'GET',
      path: '/exec/{id}/json',
      handle: async (request) => json(200, inspect(actors.findExec(request.param('id')))),
    },
  ];
}

function inspect({ id, status, exitCode, config, container, pid, detachKeys }: Exec): unknown {
  const [entrypoint = '', ...args] = config.Cmd ?? [];
  return {
    ID: id,
    Running: status === 'running',
    ExitCode: exitCode ?? null,
    ProcessConfig: {
      tty: config.Tty === true,
      entrypoint,
      arguments: args,
      privileged: config.Privileged === true,
      ...(config.User ? { user: config.User } : {}),
    },
    OpenStdin: config.AttachStdin === true,
    OpenStderr: config.AttachStderr === true,
    OpenStdout: config.AttachStdout === true,
    CanRemove: false, // dockerd says true for moments, before it forgets it
    ContainerID: container.id,
    DetachKeys: config.DetachKeys === undefined ? '' : detachKeys.toString('base64'),
    Pid: pid,
  };
}

async function start(exec: Exec, body: ExecStart, request: ApiRequest): Promise<Reply> {
  const { config } = exec;
  const terminal = config.Tty === true;
  const asked = body.ConsoleSize ?? config.ConsoleSize;
  const size = terminal && asked?.length === 2 && (asked[0] ?? 0) > 0 ? asked : undefined;
  claimExec(exec);
  if (body.Detach === true) {
    await startExec(exec, { attached: false, stdin: false, size }).catch((error: unknown) => {
      throw wordsOf(error, 400);
    });
    return empty(200);
  }
  return hijack(streamType(terminal, request), (connection) => serve(exec, connection, size));
}

async function serve(exec: Exec, connection: Duplex, size: readonly number[] | undefined): Promise<void> {
  const { AttachStdin: stdin = false, AttachStdout: stdout = false, AttachStderr: stderr = false } = exec.config;
  const terminal = exec.config.Tty === true;
  let watch: Watch;
  try {
    watch = await startExec(exec, { attached: true, stdin, size });
  } catch (error) {
    const text = Buffer.from(`${wordsOf(error, 400).message}\r\n`);
    connection.write(terminal ? text : frame('stdout', text));
    return;
  }
  const monitor = await attachMonitor(exec.directory, { stdin, stdout, stderr, framed: !terminal, hold: true });
  let left = false;
  const detached = () => {
    left = true;
    exec.container.happened('exec_detach', { execID: exec.id });
  };
  const detachKeys = terminal ? exec.detachKeys : Buffer.alloc(0);
  await relay({ connection, monitor, input: stdin, detachKeys, detached });
  // Clients ask for the exit code as soon as the connection ends.
  if (!left && !connection.destroyed) await watch.ended;
}

/** What runc and dockerd say between them; clients look for the end of it. */
function wordsOf(error: unknown, status: number): Error {
  if (error instanceof ApiError) return error;
  if (!(error instanceof TsrunError)) return error instanceof Error ? error : badRequest(String(error));
  const known = exitCodeOf(error.message) !== 128 || error instanceof SpecError;
  const words = `OCI runtime exec failed: exec failed: ${messageOf(error)}`;
  return new ApiError(known ? status : 500, words, { cause: error });
}
