// Bodies of requests that are JSON.
import { Readable } from 'node:stream';
import t from 'tap';
import { readBody } from '../../../src/daemon/http/body.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const read = (text: string, needed: boolean) =>
  readBody(Readable.from(text === '' ? [] : [Buffer.from(text)]), JSON_TYPE, (value) => value, needed);

t.test('readBody() takes an absent body for an empty object, but where one is needed', async (t) => {
  t.same(await read('', false), {});
  t.same(await read('{"a":1}', true), { a: 1 });
  await t.rejects(read('', true), { status: 400, message: /got EOF while reading request body/ });
});
