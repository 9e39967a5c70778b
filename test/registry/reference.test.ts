/** registry/reference: docker's grammar of references. */
import t from 'tap';
import { familiarReference, formatReference, parseReference, withDefaultTag } from '../../src/registry/reference.js';

const HEX = 'a'.repeat(64);

t.test('parseReference fills in what docker fills in', async (t) => {
  const cases: readonly (readonly [text: string, full: string, familiar: string])[] = [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['me/app', 'docker.io/me/app:latest', 'me/app:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['index.docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/a/b/c:x', 'localhost:5000/a/b/c:x', 'localhost:5000/a/b/c:x'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
    ['10.0.0.1/app', '10.0.0.1/app:latest', '10.0.0.1/app:latest'],
    ['Host/app', 'Host/app:latest', 'Host/app:latest'],
    [`busybox@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`, `busybox@sha256:${HEX}`],
    [`busybox:1@sha256:${HEX}`, `docker.io/library/busybox:1@sha256:${HEX}`, `busybox:1@sha256:${HEX}`],
    ['a__b/c-d--e.f', 'docker.io/a__b/c-d--e.f:latest', 'a__b/c-d--e.f:latest'],
  ];
  for (const [text, full, familiar] of cases) {
    const reference = withDefaultTag(parseReference(text));
    t.equal(formatReference(reference), full, text);
    t.equal(familiarReference(reference), familiar, text);
    t.same(parseReference(full), reference, 'the full form is read as the same');
  }
});

t.test('parseReference refuses with the reference and the reason', async (t) => {
  const cases: readonly (readonly [text: string, reason: RegExp])[] = [
    ['', /the reference is empty/],
    ['Busybox', /"Busybox" cannot be part of a name/],
    ['busybox:', /"" is not a tag/],
    ['busybox:.x', /"\.x" is not a tag/],
    [`busybox:${'x'.repeat(129)}`, /is not a tag/],
    ['busybox@sha256:abc', /"sha256:abc" is not a digest/],
    ['busybox@sha256:../../etc/passwd', /is not a digest/],
    [`busybox@sha256:${'A'.repeat(64)}`, /is not a digest/],
    [`busybox@md5:${'a'.repeat(32)}`, /is not a digest/],
    ['a//b', /a part of the name is empty/],
    ['a/../b', /"\.\." cannot be part of a name/],
    ['localhost:5000/', /the name of the repository is missing/],
    ['-x/app', /"-x" cannot be part of a name/],
    ['host:port/app', /"host:port" is not the name of a registry/],
    ['https://host/app', /"https:" is not the name of a registry/],
    ['[::1/app', /is not the name of a registry/],
    [HEX, /64 digits are an id/],
    [`h.example/${'a'.repeat(300)}`, /longer than 255/],
    ['a b', /"a b" cannot be part of a name/],
    ['a\nb', /"a\\nb"/],
  ];
  for (const [text, message] of cases)
    t.throws(() => parseReference(text), { code: 'REFERENCE_INVALID', message }, JSON.stringify(text));
});
