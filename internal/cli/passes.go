package cli

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/boombuler/barcode/qr"
)

// NewPass is a visitor's pass to be created.
type NewPass struct {
	ID        string    `json:"-"`
	Host      string    `json:"host"`
	Name      string    `json:"name"`
	Spaces    []string  `json:"spaces"`
	ValidFrom time.Time `json:"valid_from"`
	ValidTo   time.Time `json:"valid_to"`
}

// CreatePass creates a pass and returns its token, which the service answers
// once. It fails where there is a pass with this id.
func (c Client) CreatePass(ctx context.Context, p NewPass) (token string, err error) {
	path := "/v1/passes/" + url.PathEscape(p.ID)
	if err := c.get(ctx, path, nil, nil); err == nil {
		return "", fmt.Errorf("there is a pass %q already: its token was shown when it was created", p.ID)
	}
	var made struct{ Token string }
	if err := c.send(ctx, http.MethodPut, path, p, &made); err != nil {
		return "", err
	}
	return made.Token, nil
}

// DeletePass ends a pass.
func (c Client) DeletePass(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodDelete, "/v1/passes/"+url.PathEscape(id), nil, nil)
}

const (
	qrModule = 8 // pixels of a module of a QR code
	qrQuiet  = 4 // modules of white around it, as ISO/IEC 18004 asks
)

// WriteQR writes a token as a QR code, a PNG that a phone shows or a printer
// prints.
func WriteQR(w io.Writer, token string) error {
	code, err := qr.Encode(token, qr.M, qr.Auto)
	if err != nil {
		return fmt.Errorf("draw the QR code: %w", err)
	}
	size := code.Bounds().Dx()
	picture := image.NewGray(image.Rect(0, 0, (size+2*qrQuiet)*qrModule, (size+2*qrQuiet)*qrModule))
	draw.Draw(picture, picture.Bounds(), image.White, image.Point{}, draw.Src)
	for y := range size {
		for x := range size {
			if g, _ := color.GrayModel.Convert(code.At(x, y)).(color.Gray); g.Y < 128 {
				at := image.Pt((x+qrQuiet)*qrModule, (y+qrQuiet)*qrModule)
				draw.Draw(picture, image.Rectangle{at, at.Add(image.Pt(qrModule, qrModule))}, image.Black, image.Point{}, draw.Src)
			}
		}
	}
	return png.Encode(w, picture)
}
