package app

import "github.com/lorntech/totem/internal/api"

func (a *App) apiConfig() api.Config { return api.Config{} }
