/** Icons drawn by hand on a grid of 24, in the manner of lucide. All are decoration: the words beside them say it. */
import type { ComponentChildren } from 'preact';

interface IconProps {
  readonly size?: number;
}

function Icon({ size = 20, children }: IconProps & { readonly children: ComponentChildren }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

const shape = (path: string) =>
  function Shape(props: IconProps) {
    return (
      <Icon {...props}>
        <path d={path} />
      </Icon>
    );
  };

export const MicrophoneIcon = shape(
  'M12 2.5a3 3 0 0 0-3 3V12a3 3 0 0 0 6 0V5.5a3 3 0 0 0-3-3zM5 11v1a7 7 0 0 0 14 0v-1M12 19v3',
);
export const MicrophoneOffIcon = shape(
  'M3 3l18 18M9 9v3a3 3 0 0 0 5.1 2.1M15 10.5v-5a3 3 0 0 0-5.9-.8M5 11v1a7 7 0 0 0 11.9 5M19 11v1a7 7 0 0 1-.5 2.6M12 19v3',
);
export const CameraIcon = shape(
  'M4 6h9a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2zM15 11l6-3.5v9L15 13',
);
export const CameraOffIcon = shape(
  'M3 3l18 18M6.5 6H4a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h9a2 2 0 0 0 1.7-1M10.5 6H13a2 2 0 0 1 2 2v3l6-3.5v9l-3.5-2',
);
export const LeaveIcon = shape(
  'M4.2 15.5a2 2 0 0 1-2-2.3C3 9.5 7 7.5 12 7.5s9 2 9.8 5.7a2 2 0 0 1-2 2.3l-2.6-.4a2 2 0 0 1-1.7-2v-1.2a12.5 12.5 0 0 0-7 0v1.2a2 2 0 0 1-1.7 2z',
);
export const DevicesIcon = shape('M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5');
export const NoteIcon = shape('M6 3h9l4 4v12a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zM14 3v5h5M8 12h7M8 16h5');
export const LinkIcon = shape(
  'M10 13.5a4.5 4.5 0 0 0 6.6.4l3-3a4.6 4.6 0 0 0-6.5-6.5L11.7 5.8M14 10.5a4.5 4.5 0 0 0-6.6-.4l-3 3a4.6 4.6 0 0 0 6.5 6.5l1.4-1.4',
);
export const CheckIcon = shape('M4.5 12.5l5 5 10-11');
export const WarningIcon = shape('M12 3.5L2.5 20h19zM12 10v4.5M12 17.3v.2');
export const CloseIcon = shape('M6 6l12 12M18 6L6 18');
export const HistoryIcon = shape('M3.5 12a8.5 8.5 0 1 0 2.6-6.1L3.5 8.5M3.5 4v4.5H8M12 7.5V12l3 2');
export const NewTabIcon = shape('M14 4h6v6M20 4l-9 9M18 14v4a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2h4');
export const ChatIcon = shape('M5 4h14a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2z');
export const SendIcon = shape('M4 12l16-8-5 17-4-7zM11 14l9-10');
export const DownloadIcon = shape('M12 3v12M7 10.5l5 5 5-5M4 20h16');
export const SpeakerIcon = shape('M11 5L6.5 9H3v6h3.5l4.5 4zM15 9a4 4 0 0 1 0 6M17.8 6a8.3 8.3 0 0 1 0 12');
export const PeopleIcon = shape(
  'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20v-1a6.5 6.5 0 0 1 13 0v1M16 4.3a3.5 3.5 0 0 1 0 6.4M18 13.8a6.5 6.5 0 0 1 3.5 5.2v1',
);
export const LockIcon = shape(
  'M6 11h12a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-8a1 1 0 0 1 1-1zM8 11V7.5a4 4 0 0 1 8 0V11',
);
export const UnlockIcon = shape(
  'M6 11h12a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-8a1 1 0 0 1 1-1zM8 11V7.5a4 4 0 0 1 7.7-1.5',
);
export const InviteIcon = shape(
  'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20v-1a6.5 6.5 0 0 1 13 0v1M19 8v6M16 11h6',
);
export const KeyboardIcon = shape(
  'M4 6h16a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2zM6.5 10h.01M10 10h.01M14 10h.01M17.5 10h.01M8 14h8',
);
export const MoreIcon = shape(
  'M6 12a1 1 0 1 0-2 0 1 1 0 0 0 2 0zM13 12a1 1 0 1 0-2 0 1 1 0 0 0 2 0zM20 12a1 1 0 1 0-2 0 1 1 0 0 0 2 0z',
);
export const SunIcon = shape(
  'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4',
);
export const MoonIcon = shape('M20.5 14A8.7 8.7 0 0 1 10 3.5 8.7 8.7 0 1 0 20.5 14z');
export const SystemIcon = shape(
  'M4 4h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM8 20h8M12 16v4',
);
export const ScreenIcon = shape(
  'M4 4h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM12 13V7.5M9.2 10L12 7.2l2.8 2.8M8 20h8',
);
export const ScreenStopIcon = shape(
  'M4 4h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM9.7 7.7l4.6 4.6M14.3 7.7l-4.6 4.6M8 20h8',
);
export const PinIcon = shape('M9 3.5h6M10 3.5v6.2l-3.2 3.8v1.5h10.4v-1.5L14 9.7V3.5M12 15v6');
export const SpeakingIcon = shape('M4 10v4M8 7v10M12 4v16M16 7v10M20 10v4');
export const BackIcon = shape('M14.5 6l-6 6 6 6');
export const ForwardIcon = shape('M9.5 6l6 6-6 6');
export const DownIcon = shape('M6 9.5l6 6 6-6');
export const ArrowIcon = shape('M4.5 12h15M13 5.5l6.5 6.5-6.5 6.5');
export const ServerIcon = shape(
  'M4 4h16a1 1 0 0 1 1 1v5a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM4 13h16a1 1 0 0 1 1 1v5a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-5a1 1 0 0 1 1-1zM7 7.5h.01M7 16.5h.01',
);

/** The mark: a pediment on three columns. */
export function StoaMark({ size = 28 }: IconProps) {
  return (
    <svg
      class="mark"
      width={size}
      height={size}
      viewBox="0 0 32 32"
      fill="currentColor"
      aria-hidden="true"
      focusable="false"
    >
      <path d="M16 3 2.5 10.5V13h27v-2.5zM5 15h4v9H5zm9 0h4v9h-4zm9 0h4v9h-4zM2.5 26h27v3h-27z" />
    </svg>
  );
}
