/**
 * Programs that keep credentials: docker-credential-NAME on PATH, with a verb as argument, the registry on stdin and JSON
 * on stdout (docker-credential-helpers). Its output is bounded and never shown, as it may hold a secret.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { TsrunError } from '../errors.js';
import { describeSystemError } from '../util/errno.js';
import { quote } from '../util/quote.js';

export interface Helper {
  /** "docker-credential-pass" */
  readonly program: string;
  /** Undefined when it has none. */
  get(server: string): Promise<{ readonly username: string; readonly secret: string } | undefined>;
  store(server: string, username: string, secret: string): Promise<void>;
  erase(server: string): Promise<void>;
}

type Environment = { readonly [name: string]: string | undefined };

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const MAX_OUTPUT = 1024 * 1024;
/** Somebody may have to type a password. */
const TIMEOUT_MS = 120_000;
const NOT_FOUND = /credentials not found in native keychain/;

/** name: of credsStore or credHelpers. Throws TsrunError IO for one that is no name of a program. */
export function openHelper(name: string, environment: Environment): Helper {
  if (!NAME.test(name))
    throw new TsrunError('IO', `credentials: ${quote(name, 64)} is not the name of a credential helper`);
  const program = `docker-credential-${name}`;
  const call = (verb: string, input: string) => run(program, verb, input, environment);
  const must = async (verb: string, input: string) => {
    const { status } = await call(verb, input);
    if (status !== 0) throw failed(program, `${verb} ended with status ${status}`);
  };
  return {
    program,
    get: async (server) => {
      const { status, output } = await call('get', server);
      if (status === 0) return readAnswer(program, output);
      if (NOT_FOUND.test(output)) return undefined;
      throw failed(program, `get ended with status ${status}`);
    },
    store: (server, username, secret) =>
      must('store', JSON.stringify({ ServerURL: server, Username: username, Secret: secret })),
    erase: (server) => must('erase', server),
  };
}

const failed = (program: string, reason: string) => new TsrunError('IO', `credentials: ${program}: ${reason}`);

function readAnswer(program: string, output: string): { readonly username: string; readonly secret: string } {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    answer = undefined;
  }
  const of = (name: string): unknown =>
    typeof answer === 'object' && answer !== null && Object.hasOwn(answer, name)
      ? Reflect.get(answer, name)
      : undefined;
  const [username, secret] = [of('Username'), of('Secret')];
  if (typeof username === 'string' && typeof secret === 'string' && secret !== '') return { username, secret };
  throw failed(program, 'its answer has no user name and secret');
}

function run(program: string, verb: string, input: string, environment: Environment) {
  return new Promise<{ readonly status: number | null; readonly output: string }>((resolve, reject) => {
    const env = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined));
    const child: ChildProcessWithoutNullStreams = spawn(program, [verb], { env, stdio: 'pipe', timeout: TIMEOUT_MS });
    const chunks: Buffer[] = [];
    let length = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= MAX_OUTPUT) chunks.push(chunk);
      else child.kill('SIGKILL');
    });
    child.stderr.resume();
    child.stdin.on('error', () => undefined); // it need not read
    child.on('error', (error) => reject(failed(program, describeSystemError(error))));
    child.on('close', (status) => {
      if (length > MAX_OUTPUT) reject(failed(program, `its answer is larger than ${MAX_OUTPUT} bytes`));
      else resolve({ status, output: Buffer.concat(chunks).toString('utf8') });
    });
    child.stdin.end(input);
  });
}
