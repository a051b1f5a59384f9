import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@playwright/test';

/** A sound device that plays into the void: PulseAudio with a null sink, on a socket of its own. */
export class SoundServer {
  private constructor(
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {}

  /** For `PULSE_SERVER`. */
  get address(): string {
    return `unix:${join(this.folder, 'native')}`;
  }

  static async start(): Promise<SoundServer> {
    const folder = mkdtempSync(join(tmpdir(), 'stoa-sound-'));
    const socket = join(folder, 'native');
    const modules = ['module-null-sink', `module-native-protocol-unix socket=${socket} auth-anonymous=1`];
    const settings = ['-n', '--daemonize=no', '--exit-idle-time=-1', '--use-pid-file=no'];
    const child = spawn('pulseaudio', [...settings, ...modules.flatMap((module) => ['-L', module])], {
      env: { PATH: process.env['PATH'], HOME: folder, XDG_RUNTIME_DIR: folder },
      stdio: 'ignore',
    });
    await expect.poll(() => existsSync(socket)).toBe(true);
    return new SoundServer(child, folder);
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGTERM');
    await exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
