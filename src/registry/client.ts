/**
 * The client of one registry: distribution-spec 1.1 and Docker's registry API v2. A call is authorised when it is asked to
 * be, follows redirects without taking credentials along, and is tried again when what failed may pass.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from '../errors.js';
import { quote } from '../util/quote.js';
import { discard, errorText, retryAfter } from './answers.js';
import { Auth, type FindCredentials } from './auth.js';
import { type Body, type HttpRequest, type HttpResponse, type Tls, Transport } from './http.js';
import { isLoopback } from './loopback.js';
import { describeNetworkError, isNoTls } from './network-errors.js';
import type { Proxies } from './proxy.js';
import { DEFAULT_REGISTRY } from './reference.js';

export interface RegistryOptions {
  /** As in references: "docker.io", "localhost:5000". */
  readonly registry: string;
  /** Where it really is, for a mirror: "https://mirror.example". */
  readonly url?: URL | undefined;
  readonly plainHttp: boolean;
  readonly tls: Tls;
  readonly proxies: Proxies;
  readonly findCredentials: FindCredentials;
  readonly userAgent: string;
  readonly stallMs?: number;
  /** How often a call is tried, and how long to wait after the first failure. */
  readonly attempts?: number;
  readonly waitMs?: number;
  readonly debug?: (message: string) => void;
}

export interface Call {
  readonly method: HttpRequest['method'];
  /** Below the registry's root, "/v2/…", or a whole URL that the registry gave. */
  readonly url: string | URL;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: Body | undefined;
  /** "repository:NAME:pull" */
  readonly scopes: readonly string[];
  /** Statuses that are an answer; others are thrown as RegistryError. */
  readonly ok: readonly number[];
  /** What the message begins with: 'image "…"'. */
  readonly what: string;
  /** The caller tries again: afterFailure(). */
  readonly once?: boolean;
}

const DEFAULTS = { stallMs: 60_000, attempts: 5, waitMs: 500 };
const MAX_WAIT_MS = 30_000;
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Docker Hub's registry is not at docker.io. */
const HOSTS: { readonly [registry: string]: string } = { [DEFAULT_REGISTRY]: 'registry-1.docker.io' };

/** A resource: close() lets the process end. */
export class RegistryClient {
  readonly registry: string;
  private readonly transport: Transport;
  readonly settings: typeof DEFAULTS;
  private reached: Promise<{ readonly base: URL; readonly auth: Auth }> | undefined;

  constructor(private readonly options: RegistryOptions) {
    this.registry = options.registry;
    const { stallMs, attempts, waitMs } = options;
    this.settings = {
      stallMs: stallMs ?? DEFAULTS.stallMs,
      attempts: attempts ?? DEFAULTS.attempts,
      waitMs: waitMs ?? DEFAULTS.waitMs,
    };
    this.transport = new Transport({ ...options, stallMs: this.settings.stallMs });
  }

  close(): void {
    this.transport.close();
  }

  /** Throws RegistryError. The body is the caller's to read or to drop: discard(). */
  call(call: Call): Promise<HttpResponse> {
    if (call.once === true) return this.attempt(call);
    return this.persistently(call.what, this.settings.attempts, () => this.attempt(call));
  }

  private async attempt(call: Call): Promise<HttpResponse> {
    const response = await this.authorised(call);
    if (call.ok.includes(response.status)) return response;
    throw await this.refusal(call, response);
  }

  /** Whether the credentials are accepted. Throws RegistryError. */
  async checkLogin(): Promise<void> {
    await discard(await this.call({ method: 'GET', url: '/v2/', scopes: [], ok: [200], what: 'login' }));
  }

  async persistently<T>(what: string, attempts: number, action: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await action();
      } catch (error) {
        await this.afterFailure(what, error, attempt, attempts);
      }
    }
  }

  /**
   * Waits before what failed is tried again, if the reason may pass and there is a try left; otherwise throws what is to
   * be told. After 0.5 s, 1 s, 2 s … each time within half to all of it, so that many clients do not come back at once,
   * or after as long as the registry asks for.
   */
  async afterFailure(what: string, error: unknown, attempt: number, attempts: number): Promise<void> {
    const failure = failureOf(error);
    if (!failure.again || attempt >= attempts) throw this.named(error, what, attempt);
    const longest = Math.min(this.settings.waitMs * 2 ** (attempt - 1), MAX_WAIT_MS);
    const wait = failure.retryAfterMs ?? longest * (0.5 + Math.random() / 2);
    this.options.debug?.(`${what}: ${failure.reason}: attempt ${attempt + 1} in ${Math.round(wait)} ms`);
    await sleep(wait);
  }

  private async authorised(call: Call): Promise<HttpResponse> {
    const { base, auth } = await this.reach();
    const response = await this.follow(call, base, auth.header(call.scopes));
    if (response.status !== 401 || response.foreign) return response;
    await discard(response);
    const header = await auth.answer(response.headers['www-authenticate'], call.scopes);
    const second = await this.follow(call, base, header);
    if (second.status !== 401 || second.foreign) return second;
    throw await this.refusal(call, second);
  }

  /** foreign: another origin than the registry's gave the answer. */
  private async follow(call: Call, base: URL, authorization: string | undefined) {
    let url = this.resolve(String(call.url), base);
    for (let redirects = 0; ; redirects++) {
      const own = url.origin === base.origin;
      if (url.protocol !== 'https:' && !(url.protocol === 'http:' && base.protocol === 'http:'))
        throw this.failed(
          `it sends us to ${quote(url.origin === 'null' ? url.protocol : url.origin)}, which is not https`,
        );
      const headers = { 'accept-encoding': 'identity', ...call.headers };
      const response = await this.send({
        method: call.method,
        url,
        headers: own && authorization !== undefined ? { ...headers, authorization } : headers,
        body: call.body,
        ownOrigin: own,
      }).catch((error: unknown) => {
        throw own ? error : elsewhere(error, url);
      });
      const { location } = response.headers;
      const mayFollow = call.method === 'GET' || call.method === 'HEAD';
      if (!mayFollow || !REDIRECTS.has(response.status) || location === undefined)
        return { ...response, foreign: !own };
      await discard(response);
      if (redirects === MAX_REDIRECTS)
        throw this.failed(`more than ${MAX_REDIRECTS} redirects, the last to ${quote(location)}`);
      url = this.resolve(location, url);
    }
  }

  /** A Location that the registry gave. */
  resolve(location: string, from: URL): URL {
    try {
      return new URL(location, from);
    } catch {
      throw this.failed(`it sends us to ${quote(location)}, which is no URL`);
    }
  }

  private async send(request: HttpRequest): Promise<HttpResponse> {
    const response = await this.transport.send(request);
    // Without the query: signed URLs of object stores are as good as a password.
    const { origin, pathname } = request.url;
    this.options.debug?.(`${request.method} ${origin}${pathname}: ${response.status}`);
    return response;
  }

  private reach(): Promise<{ readonly base: URL; readonly auth: Auth }> {
    this.reached ??= this.findBase().then((base) => ({
      base,
      auth: new Auth({
        base,
        registry: this.registry,
        send: (request) => this.send(request),
        findCredentials: this.options.findCredentials,
        now: Date.now,
      }),
    }));
    // A registry that was down for a moment is asked anew.
    this.reached.catch(() => {
      this.reached = undefined;
    });
    return this.reached;
  }

  /** Plain HTTP where it was asked for; on loopback, and where nobody checks a certificate, if what is there speaks no TLS. */
  private async findBase(): Promise<URL> {
    const { url, plainHttp, registry, tls } = this.options;
    const host = HOSTS[registry] ?? registry;
    const secure = url ?? new URL(`https://${host}`);
    if (plainHttp && url === undefined) return new URL(`http://${host}`);
    if (secure.protocol !== 'https:' || !(isLoopback(secure.hostname) || tls.skipVerify)) return secure;
    try {
      await discard(await this.send({ method: 'GET', url: new URL('/v2/', secure), headers: {}, ownOrigin: true }));
      return secure;
    } catch (error) {
      if (!isNoTls(error)) throw error;
      return new URL(`http://${host}`);
    }
  }

  /** What the registry gave as a place, relative to its root. */
  async absolute(url: string | URL): Promise<URL> {
    const { base } = await this.reach();
    return typeof url === 'string' ? this.resolve(url, base) : url;
  }

  /** As a connection that ended early: worth another try. */
  brokenOff(): Error {
    return Object.assign(new Error('the connection ended early'), { code: 'ECONNRESET' });
  }

  failed(reason: string, details: ConstructorParameters<typeof RegistryError>[2] = {}): RegistryError {
    return new RegistryError('REGISTRY_FAILED', `registry ${this.registry}: ${reason}`, details);
  }

  private async refusal(call: Call, response: HttpResponse): Promise<RegistryError> {
    const { status } = response;
    const said = await errorText(response);
    const message = `registry ${this.registry}: ${call.method} answered with status ${status}${said}`;
    if (status === 404) return new RegistryError('REGISTRY_NOT_FOUND', message, { status });
    const hint = `tsrun login ${this.registry}`;
    if (status === 401 || status === 403) return new RegistryError('REGISTRY_DENIED', message, { status, hint });
    const failure = new RegistryError('REGISTRY_FAILED', message, { status });
    return Object.assign(failure, { retryAfterMs: retryAfter(response.headers['retry-after']) });
  }

  /** Every message names what it is about and which registry. */
  private named(error: unknown, what: string, attempts: number): unknown {
    const tries = attempts > 1 ? ` (${attempts} attempts)` : '';
    if (error instanceof RegistryError) {
      if (error.message.startsWith(what)) return error; // a call within the attempt has tried and named it
      const { code, message, status, hint, cause } = error;
      const known = code as 'REGISTRY_FAILED';
      return new RegistryError(known, `${what}: ${message}${tries}`, { status, hint, cause });
    }
    if (!isNetworkError(error)) return error;
    const { reason, hint } = describeNetworkError(error);
    const where = error instanceof Error && 'sentTo' in error ? `it sends us to ${error.sentTo}: ` : '';
    return new RegistryError('REGISTRY_FAILED', `${what}: registry ${this.registry}: ${where}${reason}${tries}`, {
      hint,
      cause: error,
    });
  }
}

interface Failure {
  readonly reason: string;
  readonly again: boolean;
  readonly retryAfterMs: number | undefined;
}

function failureOf(error: unknown): Failure {
  if (error instanceof RegistryError) {
    const after = 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : undefined;
    return { reason: error.message, again: PASSING.has(error.status), retryAfterMs: after };
  }
  if (!isNetworkError(error)) return { reason: '', again: false, retryAfterMs: undefined };
  return { ...describeNetworkError(error), retryAfterMs: undefined };
}

/** The error of another host than the registry's says which. */
const elsewhere = (error: unknown, { host }: URL): unknown =>
  error instanceof Error ? Object.assign(error, { sentTo: host }) : error;

/** What Node's client and sockets reject with, and readBody(); a bug of ours has no code. */
function isNetworkError(error: unknown): boolean {
  return error instanceof RangeError || (error instanceof Error && !(error instanceof TypeError) && 'code' in error);
}
