import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate for a server, signed by an authority that nobody else knows. */
export class Certificate {
  private constructor(private readonly folder: string) {}

  /** For `STOA_TLS_CERT`. */
  get cert(): string {
    return join(this.folder, 'cert.pem');
  }

  /** For `STOA_TLS_KEY`. */
  get key(): string {
    return join(this.folder, 'key.pem');
  }

  /** `names` are such as `DNS:stoa.test` and `IP:192.0.2.1`. */
  static make(...names: string[]): Certificate {
    const made = new Certificate(mkdtempSync(join(tmpdir(), 'stoa-certificate-')));
    const request = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj'];
    const authority = ['-keyout', made.file('authority.key'), '-out', made.file('authority.pem')];
    const days = ['-days', '2'];
    openssl(...request, '/CN=Tests of Stoa', '-x509', ...days, '-addext', 'keyUsage=keyCertSign', ...authority);
    openssl(...request, '/CN=stoa', '-keyout', made.key, '-out', made.file('request.pem'));
    const extensions = [
      'basicConstraints=CA:FALSE',
      'extendedKeyUsage=serverAuth',
      `subjectAltName=${names.join(',')}`,
    ];
    writeFileSync(made.file('extensions'), extensions.join('\n'));
    const signed = ['-CA', made.file('authority.pem'), '-CAkey', made.file('authority.key'), '-set_serial', '2'];
    const asked = ['-in', made.file('request.pem'), '-extfile', made.file('extensions'), '-out', made.cert];
    openssl('x509', '-req', ...days, ...asked, ...signed);
    return made;
  }

  /** A profile of Firefox that trusts the authority. */
  profile(): string {
    const profile = this.file('profile');
    mkdirSync(profile);
    const database = ['-d', `sql:${profile}`];
    execFileSync('certutil', ['-N', ...database, '--empty-password']);
    execFileSync('certutil', ['-A', ...database, '-n', 'stoa', '-t', 'C,,', '-i', this.file('authority.pem')]);
    return profile;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private file(name: string): string {
    return join(this.folder, name);
  }
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' });
}
