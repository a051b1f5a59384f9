/** The picture on the first page: a stoa, with people and a shared note between its columns. Pure decoration. */

const COLUMNS = [62, 154, 246, 338];

export function Colonnade() {
  return (
    <svg class="colonnade" viewBox="0 0 420 340" aria-hidden="true" focusable="false">
      <circle class="sun" cx="316" cy="74" r="42" />
      <path class="stone" d="M210 26 30 96v14h360V96z" />
      <path class="stone-deep" d="M210 46 92 92h236z" />
      <rect class="stone" x="40" y="116" width="340" height="16" rx="2" />
      <rect class="hall" x="52" y="132" width="316" height="150" />
      <Person x={118} className="person-a" />
      <Person x={302} className="person-b" />
      <Sheet />
      {COLUMNS.map((x) => (
        <g key={x} class="stone">
          <rect x={x - 6} y="132" width="32" height="9" rx="2" />
          <path d={`M${x} 141h20l2 132h-24z`} />
          <rect x={x - 7} y="273" width="34" height="9" rx="2" />
          <path class="flute" d={`M${x + 7} 147v120M${x + 13} 147v120`} />
        </g>
      ))}
      <rect class="stone" x="34" y="282" width="352" height="14" rx="2" />
      <rect class="stone-deep" x="18" y="296" width="384" height="14" rx="2" />
      <rect class="stone" x="2" y="310" width="416" height="14" rx="2" />
    </svg>
  );
}

function Person({ x, className }: { readonly x: number; readonly className: string }) {
  return (
    <g class={className}>
      <circle cx={x} cy="202" r="18" />
      <path d={`M${x - 29} 282v-24a29 29 0 0 1 58 0v24z`} />
    </g>
  );
}

function Sheet() {
  return (
    <g>
      <rect class="sheet" x="184" y="176" width="52" height="72" rx="4" />
      <path class="writing" d="M193 192h34M193 206h26M193 220h34M193 234h18" />
      <path class="caret-a" d="M223 201v10" />
      <path class="caret-b" d="M215 229v10" />
    </g>
  );
}
