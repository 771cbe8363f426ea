package event

import "strconv"

// Container is a container, as far as it is known.
type Container struct {
	ID        string // as its runtime has it; "" only for [Host]
	Name      string // as its user knows it
	Image     string
	Pod       string // of Kubernetes
	Namespace string // of the pod
	Runtime   string // such as docker
	UID       uint32 // the user whose it is
	Title     string // what a table calls it: see SetTitle

	Outer *Container // the one that it is in; nil if it is in none
}

// Host is the container of processes that are in none.
var Host = new(Container)

// ContainersMax is how many containers, one in the other, are told apart.
const ContainersMax = 4

// shortID is how many characters of a container's id are shown for it.
const shortID = 12

// SetTitle sets the title: the name, or the short id, with the user whose it is if that is not
// root, and behind the title of the one that it is in. Those of several users or containers differ.
func (c *Container) SetTitle() {
	c.Title = c.Name
	if c.Title == "" {
		c.Title = c.ID[:min(len(c.ID), shortID)]
	}
	if c.UID != 0 {
		c.Title += "@" + strconv.FormatUint(uint64(c.UID), 10)
	}
	if c.Outer != nil {
		c.Title = c.Outer.Title + "/" + c.Title
	}
}
