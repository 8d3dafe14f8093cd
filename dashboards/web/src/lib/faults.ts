import { fieldWords } from './records'
import { tongue } from './words.svelte'

/** What the service says in English, as French people say it; $1 … are what it names. */
const french: [RegExp, string][] = [
  [/^there is no such enrolment.*/, 'le badge n’a pas été présenté deux fois à temps'],
  [/^there is no such (?:tenant|member|plan|schedule|version)$/, 'n’existe pas'], [/^there is no (?:tenant|member|plan|schedule|space|site|credential) "(.*)"$/, '« $1 » n’existe pas'], [/^there is no (.+)$/, '$1 n’existe pas'],
  [/^there is nothing by this id$/, 'rien ne porte cet identifiant'], [/is not over yet.*/, 'n’est pas fini : seul un calcul d’essai peut le regarder'], [/^(.*) ?has been issued already.*/, '$1 est déjà émis : un relevé ne s’émet qu’une fois'],
  [/^is not an id: .*/, 'lettres minuscules, chiffres et tirets, 64 au plus'], [/^is missing( or empty)?.*|^is empty.*|^expected (string|required property).*/, 'manque'], [/^is before (.+)$/, 'est avant $1'], [/^lies before 1990 or after 2100$/, 'doit être entre 1990 et 2100'], [/^lies in the future$/, 'est dans l’avenir'],
  [/^is not between (\S+) and (\S+)$/, 'doit être entre $1 et $2'], [/^"(.*)" belongs to another site$/, '« $1 » est d’un autre site'], [/^"(.*)" does not belong to tenant "(.*)"$/, '« $1 » n’est pas de « $2 »'], [/^is more than 31 days after valid_from.*/, 'dépasse 31 jours : un laissez-passer de locataire ne dure pas plus'],
  [/^a tenant's pass opens only what its own leases give.*/, 'un laissez-passer n’ouvre que ce que vos baux donnent pendant ce temps'], [/^a lease's tenant never changes.*/, 'le locataire d’un bail ne change jamais : terminez ce bail et faites-en un autre'], [/^a plan of a site never roams$/, 'une formule d’un site ne vaut pas ailleurs'],
  [/^.* refers to it$/, 'un autre enregistrement en dépend encore'], [/^it is on an issued statement, which must.*/, 'il est sur un relevé émis, qui doit rester expliqué'], [/^a token belongs to this tenant.*/, 'un jeton est à ce locataire : retirez-le d’abord'], [/^it is on an issued statement.*/, 'ce bail est sur un relevé émis, qui ne change jamais : donnez-lui une fin, ou corrigez-le depuis le jour voulu'], [/^this version already holds.*/, 'cette version vaut déjà : enregistrez ce qui est juste, depuis le jour voulu'],
  [/^the site is in lockdown.*/, 'le site est en confinement : aucune ouverture à distance'], [/^no reader on the way in.*/, 'aucun lecteur d’entrée de cette porte ne peut recevoir l’ordre'], [/^the command could not be sent.*/, 'l’ordre n’a pas pu partir : le courtier MQTT est absent'],
  [/^it has changed since.*/, 'quelqu’un l’a changé depuis : relisez-le'], [/^late messages are still being processed.*/, 'les visites de messages tardifs sont encore en calcul ; réessayez dans un instant'], [/^the service failed.*/, 'le service n’a pas pu le faire ; son journal dit pourquoi'],
  [/^too many wrong tokens.*/, 'trop de jetons faux depuis cette adresse : attendez un peu'], [/^the token is unknown.*/, 'ce jeton est inconnu ou a expiré'], [/^the role .* may not.*|^forbidden.*/i, 'votre rôle ne le permet pas'],
  [/^this reader already waits.*/, 'ce lecteur attend déjà un autre badge'], [/^is neither a day.*/, 'n’est pas un jour'], [/^another credential has this uid.*/, 'ce badge est déjà celui de quelqu’un'],
  [/^nothing was imported; faults: (\d+)$/, 'rien n’a été importé : $1 fautes'], [/^nothing was imported; warnings: (\d+).*/, 'rien n’a été importé : $1 avertissements à accepter ou à corriger'], [/^Failed to fetch$|^NetworkError.*|^Load failed$/, 'le service ne répond pas'],
  [/^the catalogue has no (?:such )?(?:site|space|door|device)(?: "(.*)")?.*/, 'n’existe pas dans le catalogue'], [/^the schedule always is built in$/, 'l’horaire « always » est fourni d’office et ne change pas'], [/^is not a kind of space$|^"(.*)" is not a kind of space$/, 'n’est pas un genre d’espace'],
  [/^this tenant has .*/, 'ce locataire en a déjà autant que les réglages le permettent : supprimez-en, ou demandez à l’exploitant de relever la limite'], [/^validation failed$/, 'une valeur ne convient pas'], [/^is given together with .*/, 'est donné en double : n’en donnez qu’un'], [/^(".*"|.*) is not one of .*/, '$1 n’est pas une valeur permise'],
  [/^must be 1 or more$/, 'doit être au moins 1'], [/^is negative$/, 'ne peut pas être négatif'], [/^is larger than (.+)$/, 'dépasse $1'], [/^lease (.*) names this member$/, 'le bail $1 nomme cette personne'], [/^is not after (.+)$/, 'n’est pas après $1'],
  [/^(plan|lease) "(.*)" (?:uses|has) it and belongs to another site$/, '« $2 » en dépend et est d’un autre site'], [/^a token cannot take away its own role.*/, 'un jeton ne peut pas retirer son propre rôle : prenez-en un autre'], [/^a token cannot withdraw itself$/, 'un jeton ne peut pas se retirer lui-même'],
  [/^lies more than ten years after from$/, 'est plus de dix ans après le début'], [/^lies before 1970.*/, 'ne peut pas être avant 1970'], [/^is not a value of next.*/, 'n’est pas la suite de cette liste : reprenez-la au début'], [/^is not a UUID$/, 'n’est pas un identifiant'], [/^must be any of (.+)$|^must be (admin, .+)$/, 'doit être parmi $1$2'],
  [/^differs by more than a day from what was measured$/, 's’écarte de plus d’un jour de ce qui a été mesuré'], [/^is more than a day after from$/, 'est plus d’un jour après le début'], [/^names no weekday$/, 'aucun jour n’est choisi'], [/^(.*) is not a time of day.*/, '$1 n’est pas une heure comme 08:00'], [/^(.*) is not a day: .*/, '$1 n’est pas un jour de la semaine'], [/^(\S+) is not after (.+)$/, '$1 n’est pas après $2'], [/^occurs twice$/, 'y est deux fois'], [/^is not an email address$/, 'n’est pas une adresse de courriel'], [/^a credential's member never changes.*/, 'un badge ne change jamais de personne : créez-en un autre'],
  [/^belongs to another member or kind$/, 'est à quelqu’un d’autre, ou d’un autre genre'], [/^is for a dry run only.*/, 'ne vaut que pour un essai : un relevé ne s’émet pas selon ce qu’on savait autrefois'], [/^differs from the id in the path$/, 'n’est pas l’identifiant de l’adresse'], [/^it is not there$/, 'n’existe pas'], [/^is not an instant like .*/, 'n’est pas une date (2026-11-01) ni un instant (2026-11-01T08:00:00Z)'],
  [/^contains control characters.*/, 'contient des caractères interdits'], [/^is not a whole minute$/, 'doit être une minute entière'], [/^the request was interrupted.*/, 'la demande a été interrompue : réessayez'], [/^is the token of another pass$/, 'est le jeton d’un autre laissez-passer'], [/^is not a reader$/, 'n’est pas un lecteur'], [/^a session can only be started .*/, 'on ne se connecte que depuis la page de ce service'],
  [/^is not hex of even length.*/, 'doit être un nombre pair de chiffres hexadécimaux, 32 octets au plus'], [/^must be hex digits.*/, 'doit être en hexadécimal, ou « dec: » et un nombre, ou « qr: » et un jeton'], [/^dec: must be followed by digits$/, '« dec: » doit être suivi de chiffres'], [/^dec: must be followed by a number.*/, '« dec: » doit être suivi d’un nombre sans zéros devant, ou des dix chiffres imprimés sur la carte'],
  [/^the number after dec: is larger.*/, 'le nombre après « dec: » est trop grand pour un badge'], [/^the token after qr: is shorter.*/, 'le jeton après « qr: » a moins de 16 caractères'], [/^the token after qr: is empty.*/, 'le jeton après « qr: » est vide ou trop long'], [/^is longer than 10 bytes.*/, 'dépasse 10 octets : aucun badge n’a un tel numéro'],
  [/^must name sites: only.*/, 'nommez des sites : seul un administrateur peut demander tout'], [/^there are (\d+) webhooks, which.*/, 'il y a déjà $1 webhooks, le plus qu’il peut y en avoir'], [/^must be alarms, lockdowns, statements.*/, 'doit être alarms, lockdowns, statements ou availability'],
  [/^only an admin may ask for statements$/, 'seul un administrateur peut demander les relevés'], [/^must be .*for statements, which.*/, 'doit être vide pour les relevés, qui sont de tout le réseau'], [/^the webhook is switched off.*/, 'ce webhook est arrêté : remettez-le en marche d’abord'],
  [/^must be an instant like .*/, 'doit être un instant comme 2026-11-30T08:00:00Z'], [/^must be a date like .*/, 'doit être une date comme 2026-11-30'], [/^must be a time like .*/, 'doit être une heure comme 08:00:00'], [/^must be true or false$/, 'doit être oui ou non'], [/^must be a whole number$/, 'doit être un nombre entier'], [/^must be a number$/, 'doit être un nombre'],
  [/^must be a text$/, 'doit être un texte'], [/^must be a list$/, 'doit être une liste'], [/^must be one of (.+)$/, 'doit être parmi $1'], [/^must be at least (\S+)$/, 'doit être au moins $1'], [/^must be at most (\S+)$/, 'doit être au plus $1'], [/^must be more than (\S+)$/, 'doit dépasser $1'], [/^must be less than (\S+)$/, 'doit rester sous $1'],
  [/^must have at least (1) characters$/, 'manque'], [/^must have at least (\d+) characters$/, 'doit avoir au moins $1 caractères'], [/^must have at most (\d+) characters$/, 'doit avoir au plus $1 caractères'], [/^must have at least (\d+) entries$/, 'doit en avoir au moins $1'], [/^must have at most (\d+) entries$/, 'doit en avoir au plus $1'], [/^names something twice$/, 'nomme deux fois la même chose'], [/^is not a field of this$/, 'n’existe pas ici'],
  [/^(.+) is missing in the billing settings, and.*/, 'l’émetteur des relevés est incomplet dans les réglages ($1) : rien n’est émis sans lui'],
]

/** One sentence of the service in the reader's language; what has no French stays as it was said. */
export function said(text: string): string {
  if (tongue.lang !== 'fr') return /^Failed to fetch$|^NetworkError|^Load failed$/.test(text) ? 'the service does not answer' : text
  for (const [pattern, fr] of french) if (pattern.test(text)) return text.replace(pattern, fr).trim()
  return text
}

interface Fault { field?: string; message?: string }
/** What is wrong, field by field, as people call them. */
export function faultText(detail: string, errors: Fault[] | null | undefined): string {
  const named = (errors ?? []).filter((e) => e.message).slice(0, 5)
  if (!named.length) return said(detail)
  return named.map((e) => {
    const field = (e.field ?? '').replace(/\[.*/, ''), word = fieldWords[field]?.[tongue.lang === 'fr' ? 0 : 1] ?? field
    return word ? `${word}${tongue.lang === 'fr' ? ' :' : ':'} ${said(e.message!)}` : said(e.message!)
  }).join(' ; ')
}
