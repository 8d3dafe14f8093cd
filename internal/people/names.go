package people

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/lorntech/totem/internal/tenancy"
)

// names gives each person and tenant a name, and an id that nothing had before.
type names struct {
	first, last []string
	given       map[string]int // how often each id was asked for
}

func newNames() *names {
	return &names{first: firstNames(), last: lastNames(), given: map[string]int{}}
}

// person returns a random name and its id, as "Zoé Lemoine" and "zoe-lemoine";
// the second person of a name is "zoe-lemoine-2".
func (n *names) person(rng *rand.Rand) (name, id string) {
	name = n.first[rng.IntN(len(n.first))] + " " + n.last[rng.IntN(len(n.last))]
	return name, n.id(name)
}

func (n *names) id(name string) string {
	s := slug(name)
	n.given[s]++
	if again := n.given[s]; again > 1 {
		return fmt.Sprintf("%s-%d", s, again)
	}
	return s
}

// slug spells a French name as an id.
func slug(name string) string {
	plain := strings.NewReplacer(
		"à",
		"a",
		"â",
		"a",
		"ç",
		"c",
		"é",
		"e",
		"è",
		"e",
		"ê",
		"e",
		"ë",
		"e",
		"î",
		"i",
		"ï",
		"i",
		"ô",
		"o",
		"ö",
		"o",
		"ù",
		"u",
		"û",
		"u",
		"ü",
		"u",
		"œ",
		"oe",
		"&",
		"et",
	).
		Replace(strings.ToLower(name))
	words := strings.FieldsFunc(plain, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return strings.Join(words, "-")
}

func firstNames() []string {
	return strings.Fields(
		`Adèle Agathe Aïcha Alexandre Alice Amandine Amel Anaïs André Anne Antoine Arthur Aurélie Axel Baptiste Bastien Benoît
		Bérénice Bruno Camille Capucine Caroline Cécile Charlotte Chloé Claire Clément Coralie Cyril Damien Daphné David
		Delphine Denis Dounia Édouard
		Élise Élodie Émilie Emma Éric Estelle Étienne Eva Fabien Fanny Farid Fatima Félix Flavien Florence François Gabriel
		Gaëlle Gaspard Gauthier Géraldine
		Guillaume Hélène Hugo Inès Irène Jade Jeanne Jérôme Joëlle Julie Karim Killian Laëtitia Laure Léa Léo Louis Louise
		Lucas Lucie Maëlle Malik Manon
		Margaux Marie Marius Mathilde Maxime Mehdi Mélanie Mickaël Nadia Nathan Nicolas Noémie Océane Olivier Pascale Paul
		Pauline Perrine Philippe Quentin
		Rachid Raphaël Rémi Romane Sabrina Salomé Samir Sandra Sarah Sébastien Simon Solène Sophie Stéphane Sylvain
		Thibault Thomas Tristan Valentin Victor
		Vincent Virginie Xavier Yann Yasmine Zoé`,
	)
}

func lastNames() []string {
	return strings.Fields(
		`Adam André Antoine Aubert Aubry Bailly Barbier Barthélemy Baudoin Becker Benoit Bernard Bertrand Bianchi Blaise Bouvier Boyer Braun
		Brun Carpentier Chevalier Claudel Clément Colin Collignon Collin Conti Cordier Costa Cuny Da-Silva Daniel David
		Demange Didier Divoux Dubois Dumont Dupont
		Durand Etienne Fabre Ferry Fischer Fleury Fontaine François Friedrich Gaillard Garnier Gauthier Gautier Georges
		Gérard Germain Girard Grandjean Grosjean
		Guérin Guillaume Haas Henry Hoffmann Houillon Hubert Humbert Husson Jacob Jacquemin Jacquot Jeandel Joly Kaiser
		Keller Kieffer Klein Koch Lallemand
		Lambert Laurent Lebrun Leclerc Lefèvre Lemoine Leroy Lhuillier Louis Mangin Marchal Marchand Martin Masson Mathieu
		Maurice Mercier Meyer Michel Moreau
		Morel Muller Nguyen Nicolas Noël Olivier Oudin Parisot Pasquier Payeur Perrin Petit Petitjean Philippe Picard
		Pierrat Pierre Poirot Renard Richard Rivière
		Robert Roussel Roux Royer Schmitt Schneider Simon Thiébaut Thiriet Thomas Toussaint Valentin Vautrin Vigneron
		Villemin Vincent Voirin Wagner Walter Weber
		Weiss Wendling Zimmermann`,
	)
}

// What the names of tenants are made of, one part after each bar.
const (
	associations = "la Friche|l’Image|la Moselle|la Meurthe|la Fabrique|la Source|la Rive|l’Écluse|la Passerelle|" +
		"la Mirabelle|la Lanterne|l’Encre"
	institutions = "Maison de l’emploi|Agence d’urbanisme|Mission numérique|Office culturel|Service des archives|" +
		"École du code|Centre de ressources"
	firms = "Alerion|Mirabelle|Fonderie|Chardon|Cristal|Sidérure|Grès|Houille|Verrière|Brimbelle|Madeleine|Gueulard|" +
		"Laminoir|Papeterie|Filature|Orfèvre|Scierie|Imagerie|Quetsche|Myrtille|Ardoise|Bergamote|Faïence|Turbine"
	trades = "Logiciels|Data|Studio|Robotique|Systèmes|Conseil|Design|Énergie|Santé|Mobilité|Réseaux|Vision|Édition|" +
		"Captures|Cartographie"
)

// tenant returns a made-up name of a company, an association or an institution
// in a city.
func (n *names) tenant(rng *rand.Rand, kind tenancy.TenantKind, city string) (name, id string) {
	pick := func(list string) string {
		words := strings.Split(list, "|")
		return words[rng.IntN(len(words))]
	}
	const tries = 30 // where a small network has many tenants, names repeat
	for range tries {
		switch kind {
		case tenancy.Association:
			name = pick("Les Amis de|Collectif|Réseau|Ateliers de|Cercle|Compagnie") + " " +
				pick(associations)
		case tenancy.Institution:
			name = pick(institutions) + " " + ofCity(city)
		default:
			name = pick(firms) + " " + pick(trades)
		}
		if n.given[slug(name)] == 0 {
			break
		}
	}
	return name, n.id(name)
}

// ofCity returns "de Metz", but "d’Épinal".
func ofCity(city string) string {
	if plain := slug(city); plain != "" && strings.ContainsRune("aeiouyh", rune(plain[0])) {
		return "d’" + city
	}
	return "de " + city
}
