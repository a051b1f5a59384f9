import { chromium, firefox, type Browser, type BrowserContext } from '@playwright/test';
import type { SoundServer } from './sound.js';

const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  // So that a call works in a network namespace that has only a loopback interface.
  '--allow-loopback-in-peer-connection',
];

/** How Chromium's cameras and microphones behave. */
export const DEVICES = {
  granted: ['--use-fake-device-for-media-stream=fps=30', '--use-fake-ui-for-media-stream'],
  denied: ['--use-fake-device-for-media-stream=fps=30', '--use-fake-ui-for-media-stream=deny'],
  missing: ['--use-fake-device-for-media-stream=device-count=0', '--use-fake-ui-for-media-stream'],
} as const;

export function launchChromium(devices: keyof typeof DEVICES = 'granted', more: string[] = []): Promise<Browser> {
  const args = [...CHROMIUM_FLAGS, ...DEVICES[devices], ...more];
  return chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args });
}

/** Firefox stops the clock of every AudioContext on a machine without a sound device, so it plays to `sound`. */
export function launchFirefox(sound: SoundServer): Promise<Browser> {
  return firefox.launch(firefoxOptions(sound));
}

/** With a profile of its own, and `host` as the address of every name. */
export function launchFirefoxWith(profile: string, host: string, sound: SoundServer): Promise<BrowserContext> {
  const options = firefoxOptions(sound);
  const firefoxUserPrefs = { ...options.firefoxUserPrefs, 'network.dns.forceResolve': host };
  return firefox.launchPersistentContext(profile, { ...options, firefoxUserPrefs });
}

function firefoxOptions(sound: SoundServer) {
  return {
    env: { ...process.env, PULSE_SERVER: sound.address },
    channel: 'moz-firefox',
    executablePath: '/usr/bin/firefox-esr',
    headless: true,
    firefoxUserPrefs: {
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      'media.peerconnection.ice.obfuscate_host_addresses': false,
      'media.autoplay.default': 0,
      // Its sandboxed audio process does not look for the server named above.
      'media.cubeb.sandbox': false,
    },
  };
}
