/** Which country is in which region: UN M.49, with Taiwan and Kosovo where their neighbours are. Antarctica is in none. */
const SUBREGIONS: Record<string, [continent: string, countries: string]> = {
  '015': ['002', 'DZ EG LY MA SD TN EH'],
  '014': ['002', 'IO BI KM DJ ER ET TF KE MG MW MU YT MZ RE RW SC SO SS UG TZ ZM ZW'],
  '017': ['002', 'AO CM CF TD CG CD GQ GA ST'],
  '018': ['002', 'BW SZ LS NA ZA'],
  '011': ['002', 'BJ BF CV CI GM GH GN GW LR ML MR NE NG SH SN SL TG'],
  '029': ['019', 'AI AG AW BS BB BQ VG KY CU CW DM DO GD GP HT JM MQ MS PR BL KN LC MF VC SX TT TC VI'],
  '013': ['019', 'BZ CR SV GT HN MX NI PA'],
  '005': ['019', 'AR BO BV BR CL CO EC FK GF GY PY PE GS SR UY VE'],
  '021': ['019', 'BM CA GL PM US'],
  '143': ['142', 'KZ KG TJ TM UZ'],
  '030': ['142', 'CN HK MO KP JP MN KR TW'],
  '035': ['142', 'BN KH ID LA MY MM PH SG TH TL VN'],
  '034': ['142', 'AF BD BT IN IR MV NP PK LK'],
  '145': ['142', 'AM AZ BH CY GE IQ IL JO KW LB OM QA SA PS SY TR AE YE'],
  '151': ['150', 'BY BG CZ HU PL MD RO RU SK UA'],
  '154': ['150', 'AX DK EE FO FI GG IS IE IM JE LV LT NO SJ SE GB'],
  '039': ['150', 'AL AD BA HR GI GR VA IT MT ME MK PT SM RS SI ES XK'],
  '155': ['150', 'AT BE FR DE LI LU MC NL CH'],
  '053': ['009', 'AU CX CC HM NZ NF'],
  '054': ['009', 'FJ NC PG SB VU'],
  '057': ['009', 'GU KI MH FM NR MP PW UM'],
  '061': ['009', 'AS CK PF NU PN WS TK TO TV WF'],
};

const REGIONS = new Map(
  Object.entries(SUBREGIONS).flatMap(([subregion, [continent, countries]]) =>
    countries.split(' ').map((country): [string, readonly string[]] => [country, [subregion, continent]]),
  ),
);

const NOWHERE: readonly string[] = [];

/** @returns the UN M.49 numbers of the subregion and the continent */
export const regionsOf = (country: string): readonly string[] => REGIONS.get(country) ?? NOWHERE;
